// SPDX-License-Identifier: Apache-2.0
// czone_host.node: what src/host/device/native.ts declares.
#include <malloc.h>
#include <napi.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "czone_device/backend.h"
#include "guest_memory/memory_file.h"
#include "process_memory/program_pages.h"

namespace {

using czone::Command;
using czone::CommandType;
using czone::Event;
using czone::EventKind;
using czone::GuestEvent;
using czone::Range;
using czone::Reply;

/** Integers above this are not exact in JavaScript. */
constexpr double kMaxSafeInteger = 9007199254740991.0;

uint64_t naturalOf(const Napi::Value& value, const std::string& name) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= kMaxSafeInteger) || std::floor(number) != number) {
    throw Napi::TypeError::New(value.Env(), name + " is not a natural number");
  }
  return static_cast<uint64_t>(number);
}

uint32_t natural32Of(const Napi::Value& value, const std::string& name) {
  const uint64_t number = naturalOf(value, name);
  if (number > UINT32_MAX) throw Napi::RangeError::New(value.Env(), name + " is too large");
  return static_cast<uint32_t>(number);
}

int descriptorOf(const Napi::Value& value) {
  const uint64_t number = naturalOf(value, "fd");
  if (number > INT32_MAX) throw Napi::RangeError::New(value.Env(), "fd is too large");
  return static_cast<int>(number);
}

std::string textOf(const Napi::Value& value, const std::string& name) {
  std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (text.empty() || text.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(value.Env(), name + " is not a text, or is empty");
  }
  return text;
}

bool boolOf(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) throw Napi::TypeError::New(value.Env(), name + " is not a boolean");
  return value.As<Napi::Boolean>().Value();
}

template <typename Number>
Napi::Number numberFrom(Napi::Env env, Number value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

/** Runs what can throw C++ exceptions; they become JavaScript's. */
template <typename Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const std::invalid_argument& error) {
    throw Napi::RangeError::New(env, error.what());
  } catch (const std::system_error& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Object replyToObject(Napi::Env env, const Reply& reply) {
  Napi::Array zones = Napi::Array::New(env, reply.zones.size());
  for (uint32_t i = 0; i < reply.zones.size(); i++) {
    const czone::GuestZone& zone = reply.zones[i];
    Napi::Object view = Napi::Object::New(env);
    view.Set("zoneId", numberFrom(env, zone.zoneId));
    view.Set("state", numberFrom(env, zone.state));
    view.Set("addr", numberFrom(env, zone.range.addr));
    view.Set("sizeBytes", numberFrom(env, zone.range.sizeBytes));
    view.Set("limitBytes", numberFrom(env, zone.limitBytes));
    view.Set("freeBytes", numberFrom(env, zone.freeBytes));
    zones.Set(i, view);
  }
  Napi::Array pins = Napi::Array::New(env, reply.pins.size());
  for (uint32_t i = 0; i < reply.pins.size(); i++) {
    const czone::Pin& pin = reply.pins[i];
    Napi::Object view = Napi::Object::New(env);
    view.Set("addr", numberFrom(env, pin.range.addr));
    view.Set("sizeBytes", numberFrom(env, pin.range.sizeBytes));
    view.Set("reason", numberFrom(env, pin.reason));
    view.Set("references", numberFrom(env, pin.references));
    pins.Set(i, view);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("result", Napi::String::New(env, czone::resultName(reply.result)));
  object.Set("pagesInUse", numberFrom(env, reply.pagesInUse));
  object.Set("guestNs", numberFrom(env, reply.guestNs));
  object.Set("roundTripNs", numberFrom(env, reply.roundTripNs));
  object.Set("residentBeforeBytes", numberFrom(env, reply.residentBeforeBytes));
  object.Set("earlierBytes", numberFrom(env, reply.earlierBytes));
  object.Set("returnedBytes", numberFrom(env, reply.returnedBytes));
  object.Set("ranges", numberFrom(env, reply.ranges));
  object.Set("sizeBytes", numberFrom(env, reply.sizeBytes));
  object.Set("zones", zones);
  object.Set("pins", pins);
  return object;
}

const char* eventName(EventKind kind) {
  switch (kind) {
    case EventKind::kConnected:
      return "connected";
    case EventKind::kReady:
      return "ready";
    case EventKind::kDisconnected:
      return "disconnected";
    case EventKind::kViolation:
      return "violation";
  }
  return "violation";
}

Napi::Object featuresFrom(Napi::Env env, uint64_t features) {
  const auto has = [&](int bit) { return Napi::Boolean::New(env, (features >> bit & 1) != 0); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("report", has(VIRTIO_CZONE_F_REPORT));
  object.Set("resize", has(VIRTIO_CZONE_F_RESIZE));
  object.Set("zombie", has(VIRTIO_CZONE_F_ZOMBIE));
  return object;
}

Napi::Object guestEventToObject(Napi::Env env, const GuestEvent& event) {
  const bool want = event.kind == GuestEvent::Kind::kWant;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", Napi::String::New(env, want ? "want" : "released"));
  object.Set("zoneId", numberFrom(env, event.zoneId));
  object.Set("sizeBytes", numberFrom(env, event.sizeBytes));
  object.Set(want ? "wantedBytes" : "pagesInUse", numberFrom(env, event.value));
  return object;
}

/**
 * What a device has on JavaScript's side. Callbacks on their way hold it, so that it
 * outlives the object. Only the back-end's thread and JavaScript's thread know it; the
 * promises belong to JavaScript's thread alone.
 */
class DeviceLink final : public czone::Listener, public std::enable_shared_from_this<DeviceLink> {
 public:
  DeviceLink(Napi::Env env, Napi::Function listener)
      : env_(env), toScript_(Napi::ThreadSafeFunction::New(env, listener, "czone.device", 0, 1)) {
    // A device that nobody waits for does not keep the process alive.
    toScript_.Unref(env);
    // Hooks run in the reverse order of their making: this one ends the back-end's thread
    // while the thread-safe function, which it calls, still exists.
    napi_add_env_cleanup_hook(env, stopAtExit, this);
  }
  ~DeviceLink() override { stop(); }

  /** Throws what czone::Backend does; then the link is stopped. */
  void start(const std::string& socketPath, const czone::DeviceConfig& config) {
    try {
      backend_ = std::make_unique<czone::Backend>(socketPath, config, *this);
    } catch (...) {
      stop();
      throw;
    }
  }

  /** JavaScript's thread. Commands under way end with DISCONNECTED. */
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    napi_remove_env_cleanup_hook(env_, stopAtExit, this);
    // What it tells last is queued before the release, and so still told.
    if (backend_) backend_->stop();
    toScript_.Release();
  }

  czone::Backend& backend() {
    if (stopped_ || !backend_) throw Napi::Error::New(env_, "the device is closed");
    return *backend_;
  }

  Napi::Promise submit(const Command& command) {
    czone::Backend& target = backend();
    const auto deferred = Napi::Promise::Deferred::New(env_);
    const uint64_t token = ++lastToken_;
    if (promises_.empty()) toScript_.Ref(env_);
    promises_.emplace(token, deferred);
    target.submit(token, command);
    return deferred.Promise();
  }

  void onEvent(const Event& event) override {
    toScript_.NonBlockingCall([event](Napi::Env env, Napi::Function listener) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("kind", Napi::String::New(env, eventName(event.kind)));
      const Napi::String text = Napi::String::New(env, event.text);
      if (event.kind == EventKind::kDisconnected) object.Set("reason", text);
      if (event.kind == EventKind::kViolation) object.Set("detail", text);
      if (event.kind == EventKind::kReady) {
        object.Set("features", featuresFrom(env, event.features));
      }
      listener.Call({object});
    });
  }

  void onGuestEvents(const std::vector<GuestEvent>& events) override {
    toScript_.NonBlockingCall([events](Napi::Env env, Napi::Function listener) {
      for (const GuestEvent& event : events) listener.Call({guestEventToObject(env, event)});
    });
  }

  void onReply(uint64_t token, Reply reply) override {
    toScript_.NonBlockingCall([self = shared_from_this(), token, reply = std::move(reply)](
                                  Napi::Env, Napi::Function) { self->settle(token, reply); });
  }

 private:
  static void stopAtExit(void* link) { static_cast<DeviceLink*>(link)->stop(); }

  void settle(uint64_t token, const Reply& reply) {
    const auto found = promises_.find(token);
    if (found == promises_.end()) return;
    const Napi::Promise::Deferred deferred = found->second;
    promises_.erase(found);
    if (promises_.empty() && !stopped_) toScript_.Unref(env_);
    if (reply.refusal.empty()) {
      deferred.Resolve(replyToObject(env_, reply));
    } else {
      deferred.Reject(Napi::Error::New(env_, reply.refusal).Value());
    }
  }

  const Napi::Env env_;
  Napi::ThreadSafeFunction toScript_;
  std::unique_ptr<czone::Backend> backend_;
  bool stopped_ = false;
  uint64_t lastToken_ = 0;
  std::map<uint64_t, Napi::Promise::Deferred> promises_;
};

/** The object that createDevice returns. */
class DeviceObject final : public Napi::ObjectWrap<DeviceObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeDevice",
                       {
                           InstanceMethod<&DeviceObject::plug>("plug"),
                           InstanceMethod<&DeviceObject::unplug>("unplug"),
                           InstanceMethod<&DeviceObject::report>("report"),
                           InstanceMethod<&DeviceObject::resize>("resize"),
                           InstanceMethod<&DeviceObject::list>("list"),
                           InstanceMethod<&DeviceObject::discard>("discard"),
                           InstanceMethod<&DeviceObject::close>("close"),
                       });
  }

  explicit DeviceObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceObject>(info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsObject() || !info[1].IsFunction()) {
      throw Napi::TypeError::New(env, "createDevice takes options and a listener");
    }
    const Napi::Object options = info[0].As<Napi::Object>();
    czone::DeviceConfig config;
    config.region = Range{naturalOf(options.Get("regionAddr"), "regionAddr"),
                          naturalOf(options.Get("regionBytes"), "regionBytes")};
    config.blockBytes = natural32Of(options.Get("blockBytes"), "blockBytes");
    config.maxZones = natural32Of(options.Get("maxZones"), "maxZones");
    const std::string path = textOf(options.Get("socketPath"), "socketPath");
    if (path.size() > czone::Backend::kMaxSocketPathBytes) {
      throw Napi::RangeError::New(env, "socketPath is longer than " +
                                           std::to_string(czone::Backend::kMaxSocketPathBytes) +
                                           " bytes: " + path);
    }
    link_ = std::make_shared<DeviceLink>(env, info[1].As<Napi::Function>());
    guarded(env, [&] { link_->start(path, config); });
  }

  ~DeviceObject() override {
    if (link_) link_->stop();
  }

 private:
  Napi::Value plug(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&] {
      return link_->submit(wholeZoneCommand(info, CommandType::kPlug, info[4]));
    });
  }

  Napi::Value unplug(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&] {
      Command command = wholeZoneCommand(info, CommandType::kUnplug, info[5]);
      command.zombie = boolOf(info[4], "zombie");
      return link_->submit(command);
    });
  }

  Napi::Value report(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&] {
      return link_->submit(zoneCommand(info, CommandType::kReport, info[3]));
    });
  }

  /** sizeBytes is the size that is asked for. */
  Napi::Value resize(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&] {
      return link_->submit(zoneCommand(info, CommandType::kResize, info[3]));
    });
  }

  Napi::Value list(const Napi::CallbackInfo& info) {
    return promised(info.Env(), [&] {
      Command command;
      command.type = CommandType::kList;
      command.timeoutNs = timeoutNsOf(info[0]);
      return link_->submit(command);
    });
  }

  /** Arguments 0 to 3: zoneId, addr, sizeBytes, limitBytes. */
  Command wholeZoneCommand(const Napi::CallbackInfo& info, CommandType type,
                           const Napi::Value& timeoutMs) {
    Command command = zoneCommand(info, type, timeoutMs);
    command.limitBytes = naturalOf(info[3], "limitBytes");
    if (const auto problem =
            czone::checkLimit(link_->backend().config(), command.range, command.limitBytes)) {
      throw Napi::RangeError::New(info.Env(), *problem);
    }
    return command;
  }

  /** Arguments 0 to 2: zoneId, addr, sizeBytes. */
  Command zoneCommand(const Napi::CallbackInfo& info, CommandType type,
                      const Napi::Value& timeoutMs) {
    Command command;
    command.type = type;
    command.zoneId = natural32Of(info[0], "zoneId");
    command.range = Range{naturalOf(info[1], "addr"), naturalOf(info[2], "sizeBytes")};
    command.timeoutNs = timeoutNsOf(timeoutMs);
    if (const auto problem =
            czone::checkZone(link_->backend().config(), command.zoneId, command.range)) {
      throw Napi::RangeError::New(info.Env(), *problem);
    }
    return command;
  }

  /** What goes wrong in a method that returns a promise is its rejection. */
  template <typename Body>
  static Napi::Promise promised(Napi::Env env, Body body) {
    try {
      return body();
    } catch (const Napi::Error& error) {
      const auto deferred = Napi::Promise::Deferred::New(env);
      deferred.Reject(error.Value());
      return deferred.Promise();
    }
  }

  static uint64_t timeoutNsOf(const Napi::Value& value) {
    return uint64_t{natural32Of(value, "timeoutMs")} * 1'000'000;
  }

  Napi::Value discard(const Napi::CallbackInfo& info) {
    const Range range{naturalOf(info[0], "addr"), naturalOf(info[1], "sizeBytes")};
    const czone::Discarded discarded = link_->backend().discard(range);
    if (!discarded.refusal.empty()) {
      throw Napi::Error::New(info.Env(), "discard of " + std::to_string(range.sizeBytes) +
                                             " bytes at " + std::to_string(range.addr) + ": " +
                                             discarded.refusal);
    }
    return numberFrom(info.Env(), discarded.bytes);
  }

  void close(const Napi::CallbackInfo&) { link_->stop(); }

  std::shared_ptr<DeviceLink> link_;
};

Napi::Value createMemory(const Napi::CallbackInfo& info) {
  const std::string name = textOf(info[0], "name");
  const uint64_t sizeBytes = naturalOf(info[1], "sizeBytes");
  const bool huge = boolOf(info[2], "huge");
  return guarded(info.Env(), [&] {
    auto fd = huge ? czone::createHugeMemoryFile(name, sizeBytes)
                   : czone::createMemoryFile(name, sizeBytes);
    return numberFrom(info.Env(), fd.release());
  });
}

void closeMemory(const Napi::CallbackInfo& info) {
  // The descriptor is taken over, and so closed.
  const czone::UniqueFd closed(descriptorOf(info[0]));
}

Napi::Value allocatedBytes(const Napi::CallbackInfo& info) {
  uint64_t allocated = 0;
  const int error = czone::allocatedBytes(descriptorOf(info[0]), naturalOf(info[1], "offset"),
                                          naturalOf(info[2], "sizeBytes"), &allocated);
  if (error != 0) {
    throw Napi::Error::New(info.Env(), "count the allocated bytes of a memory file: " +
                                           std::generic_category().message(error));
  }
  return numberFrom(info.Env(), allocated);
}

void trimHeap(const Napi::CallbackInfo&) { malloc_trim(0); }

Napi::Value pageOutProgram(const Napi::CallbackInfo& info) {
  const uint64_t pid = naturalOf(info[0], "pid");
  if (pid == 0 || pid > INT32_MAX) throw Napi::RangeError::New(info.Env(), "pid is out of range");
  return numberFrom(info.Env(), czone::pageOutProgram(static_cast<pid_t>(pid)));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* constructor = new Napi::FunctionReference(Napi::Persistent(DeviceObject::define(env)));
  env.SetInstanceData(constructor);
  exports.Set("createDevice",
              Napi::Function::New(env, [constructor](const Napi::CallbackInfo& info) {
                return constructor->New({info[0], info[1]});
              }));
  exports.Set("createMemory", Napi::Function::New(env, createMemory));
  exports.Set("closeMemory", Napi::Function::New(env, closeMemory));
  exports.Set("allocatedBytes", Napi::Function::New(env, allocatedBytes));
  exports.Set("trimHeap", Napi::Function::New(env, trimHeap));
  exports.Set("pageOutProgram", Napi::Function::New(env, pageOutProgram));
  return exports;
}

NODE_API_MODULE(czone_host, init)

}  // namespace
