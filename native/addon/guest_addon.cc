// SPDX-License-Identifier: Apache-2.0
// czone_guest.node: what src/guest/native.ts declares.
#include <malloc.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "fork/channel.h"
#include "fork/pidfd.h"
#include "fork/spawn.h"
#include "fork/zone.h"
#include "os/clock.h"
#include "port/port_probe.h"
#include "process_memory/program_pages.h"

namespace {

// An Error with `code`, as Node's own system calls throw.
Napi::Error SystemError(Napi::Env env, int error, const std::string& what) {
  std::string code = strerrorname_np(error) ? strerrorname_np(error) : std::to_string(error);
  Napi::Error thrown = Napi::Error::New(env, code + ": " + strerror(error) + ", " + what);
  thrown.Set("code", Napi::String::New(env, code));
  return thrown;
}

// JavaScript would turn 1.5 into 1 and 2^32 into 0: another descriptor or process.
int32_t IntegerOf(const Napi::Value& value, const char* name) {
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= INT32_MAX) || number != std::floor(number))
    throw Napi::RangeError::New(value.Env(), std::string(name) + " is not a natural number");
  return static_cast<int32_t>(number);
}

int32_t NumberAt(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsNumber())
    throw Napi::TypeError::New(info.Env(), std::string(name) + " is not a number");
  return IntegerOf(info[index], name);
}

int32_t NumberIn(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw Napi::TypeError::New(object.Env(), std::string(name) + " is not a number");
  return IntegerOf(value, name);
}

std::string TextIn(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (text.empty() || text.find('\0') != std::string::npos)
    throw Napi::TypeError::New(object.Env(), std::string(name) + " is not a text");
  return text;
}

std::vector<std::string> TextsIn(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsArray())
    throw Napi::TypeError::New(object.Env(), std::string(name) + " is not an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::Value item = array.Get(i);
    std::string text = item.IsString() ? item.As<Napi::String>().Utf8Value() : "";
    if (!item.IsString() || text.find('\0') != std::string::npos)
      throw Napi::TypeError::New(object.Env(), std::string(name) + " holds what is not a text");
    texts.push_back(text);
  }
  return texts;
}

std::vector<int> DescriptorsIn(const Napi::Value& value, const char* name) {
  if (!value.IsArray())
    throw Napi::TypeError::New(value.Env(), std::string(name) + " is not an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<int> descriptors;
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::Value item = array.Get(i);
    if (!item.IsNumber())
      throw Napi::TypeError::New(value.Env(), std::string(name) + " holds what is no number");
    descriptors.push_back(IntegerOf(item, name));
  }
  return descriptors;
}

Napi::Value OpenZone(const Napi::CallbackInfo& info) {
  int32_t zone_id = NumberAt(info, 0, "zoneId");
  int fd = czone::OpenZone(static_cast<uint32_t>(zone_id));
  if (fd < 0) throw SystemError(info.Env(), -fd, "open zone " + std::to_string(zone_id));
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value ZoneInfo(const Napi::CallbackInfo& info) {
  struct czone_info zone = {};
  int result = czone::GetZoneInfo(NumberAt(info, 0, "zoneFd"), &zone);
  if (result < 0) throw SystemError(info.Env(), -result, "read what a zone is");
  Napi::Object view = Napi::Object::New(info.Env());
  auto set = [&](const char* name, uint64_t value) {
    view.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value)));
  };
  set("zoneId", zone.zone_id);
  set("state", zone.state);
  set("addr", zone.addr);
  set("sizeBytes", zone.size);
  set("limitBytes", zone.limit);
  set("usableBytes", zone.usable);
  set("freeBytes", zone.free);
  set("users", zone.users);
  return view;
}

void CloseFd(const Napi::CallbackInfo& info) {
  int fd = NumberAt(info, 0, "fd");
  if (close(fd) < 0) throw SystemError(info.Env(), errno, "close " + std::to_string(fd));
}

czone::SpawnRequest ReadRequest(const Napi::Object& options) {
  czone::SpawnRequest request;
  request.zone_fd = NumberIn(options, "zoneFd");
  request.cgroup_fd = NumberIn(options, "cgroupFd");
  request.path = TextIn(options, "path");
  request.argv = TextsIn(options, "argv");
  request.env = TextsIn(options, "env");
  request.stdout_fd = NumberIn(options, "stdoutFd");
  request.stderr_fd = NumberIn(options, "stderrFd");
  request.passed_fds = DescriptorsIn(options.Get("passedFds"), "passedFds");
  Napi::Value overlay = options.Get("overlay");
  if (overlay.IsObject()) {
    Napi::Object mounts = overlay.As<Napi::Object>();
    Napi::Value size = mounts.Get("sizeBytes");
    if (!size.IsNumber() || size.As<Napi::Number>().Int64Value() <= 0)
      throw Napi::TypeError::New(options.Env(), "overlay.sizeBytes is not a positive number");
    request.overlay = czone::OverlayMounts{
        TextIn(mounts, "lower"), TextIn(mounts, "scratch"), TextIn(mounts, "root"),
        static_cast<uint64_t>(size.As<Napi::Number>().Int64Value())};
  }
  return request;
}

Napi::Value SpawnInZone(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) throw Napi::TypeError::New(env, "options is not an object");
  czone::SpawnRequest request = ReadRequest(info[0].As<Napi::Object>());
  czone::SpawnResult result = czone::SpawnInZone(request);
  if (result.error != 0) {
    Napi::Error error =
        SystemError(env, result.error, std::string(result.step) + " of " + request.path);
    error.Set("step", Napi::String::New(env, result.step));
    throw error;
  }
  Napi::Object spawned = Napi::Object::New(env);
  spawned.Set("pid", Napi::Number::New(env, result.pid));
  spawned.Set("pidfd", Napi::Number::New(env, result.pidfd));
  return spawned;
}

Napi::Value PidfdOpen(const Napi::CallbackInfo& info) {
  int32_t pid = NumberAt(info, 0, "pid");
  int fd = czone::OpenPidfd(pid);
  if (fd < 0) throw SystemError(info.Env(), -fd, "open process " + std::to_string(pid));
  return Napi::Number::New(info.Env(), fd);
}

// One wait for a descriptor: lives from Begin() until libuv has closed its handle.
class Wait {
 public:
  virtual ~Wait() = default;

  Napi::Value Begin(const char* what) {
    Napi::Promise promise = deferred_.Promise();
    uv_loop_s* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    int error = uv_poll_init(loop, &poll_, fd_);
    if (error < 0) {
      deferred_.Reject(SystemError(env_, -error, what).Value());
      delete this;
      return promise;
    }
    uv_poll_start(&poll_, UV_READABLE, Ended);
    return promise;
  }

 protected:
  Wait(Napi::Env env, int fd) : env_(env), fd_(fd), deferred_(Napi::Promise::Deferred::New(env)) {
    poll_.data = this;
  }

  /** The descriptor is readable: calls Resolve() or Reject() of `deferred`. */
  virtual void Settle(Napi::Promise::Deferred& deferred) = 0;

  Napi::Env env_;
  int fd_;

 private:
  static void Ended(uv_poll_t* poll, int, int) {
    auto* wait = static_cast<Wait*>(poll->data);
    uv_poll_stop(poll);
    uv_close(reinterpret_cast<uv_handle_t*>(poll), Closed);
    Napi::HandleScope scope(wait->env_);
    // The scope runs the promise's callbacks, as after any callback of Node's own.
    Napi::CallbackScope callbacks(wait->env_, Napi::AsyncContext(wait->env_, "czone.wait"));
    wait->Settle(wait->deferred_);
  }

  static void Closed(uv_handle_t* handle) { delete static_cast<Wait*>(handle->data); }

  Napi::Promise::Deferred deferred_;
  uv_poll_t poll_ = {};
};

class PidfdWait : public Wait {
 public:
  static Napi::Value Start(const Napi::CallbackInfo& info) {
    return (new PidfdWait(info.Env(), NumberAt(info, 0, "pidfd")))->Begin("watch a process");
  }

 private:
  using Wait::Wait;

  void Settle(Napi::Promise::Deferred& deferred) override {
    czone::ExitStatus status = czone::ReapPidfd(fd_);
    close(fd_);
    Napi::Object result = Napi::Object::New(env_);
    auto set = [&](const char* name, const std::optional<int>& value) {
      result.Set(name, value ? Napi::Value(Napi::Number::New(env_, *value)) : env_.Null());
    };
    set("exitCode", status.exit_code);
    set("signal", status.signal);
    deferred.Resolve(result);
  }
};

class MessageWait : public Wait {
 public:
  static Napi::Value Start(const Napi::CallbackInfo& info) {
    auto* wait = new MessageWait(info.Env(), NumberAt(info, 0, "fd"));
    return wait->Begin("watch a channel");
  }

 private:
  // Larger ones are an error of the peer's.
  static constexpr size_t kBytesMax = 4096;

  using Wait::Wait;

  void Settle(Napi::Promise::Deferred& deferred) override {
    uint8_t bytes[kBytesMax];
    long length = czone::ReceiveMessage(fd_, bytes, sizeof(bytes));
    if (length < 0)
      deferred.Reject(SystemError(env_, static_cast<int>(-length), "read a channel").Value());
    else if (length == 0)
      deferred.Resolve(env_.Null());
    else
      deferred.Resolve(Napi::Buffer<uint8_t>::Copy(env_, bytes, static_cast<size_t>(length)));
  }
};

// Asks a port by a timer: in JavaScript each try would take many times as long, from the
// processors that whoever is waited for runs on.
class PortWait : public std::enable_shared_from_this<PortWait> {
 public:
  static Napi::Value Start(const Napi::CallbackInfo& info) {
    std::string address = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
    int32_t port = NumberAt(info, 1, "port");
    if (port < 1 || port > UINT16_MAX) throw Napi::RangeError::New(info.Env(), "port is none");
    auto probe = czone::PortProbe::Of(address, static_cast<uint16_t>(port));
    if (!probe) throw Napi::TypeError::New(info.Env(), "address is no IPv4 address");
    return std::make_shared<PortWait>(info.Env(), std::move(*probe))->Begin();
  }

  PortWait(Napi::Env env, czone::PortProbe probe)
      : env_(env), probe_(std::move(probe)), deferred_(Napi::Promise::Deferred::New(env)) {
    timer_.data = this;
  }

 private:
  static constexpr uint64_t kMinPauseMs = 2;
  static constexpr uint64_t kMaxPauseMs = 50;
  /** Who waits for long is told later by a sixteenth of that at most. */
  static constexpr uint64_t kPauseShare = 16;

  Napi::Value Begin() {
    uv_loop_s* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    uv_timer_init(loop, &timer_);
    // Until libuv has closed the timer.
    self_ = shared_from_this();
    began_ns_ = czone::monotonicNs();
    uv_timer_start(&timer_, Tick, 0, 0);
    Napi::Object wait = Napi::Object::New(env_);
    wait.Set("answered", deferred_.Promise());
    wait.Set("stop", Napi::Function::New(
                         env_, [self = self_](const Napi::CallbackInfo&) { self->End(false); }));
    return wait;
  }

  static void Tick(uv_timer_t* timer) {
    auto* wait = static_cast<PortWait*>(timer->data);
    uint64_t now_ns = czone::monotonicNs();
    if (!wait->probe_.Ask(now_ns)) {
      uint64_t pause_ms = (now_ns - wait->began_ns_) / 1'000'000 / kPauseShare;
      uv_timer_start(timer, Tick, std::clamp(pause_ms, kMinPauseMs, kMaxPauseMs), 0);
      return;
    }
    Napi::HandleScope scope(wait->env_);
    Napi::CallbackScope callbacks(wait->env_, Napi::AsyncContext(wait->env_, "czone.port"));
    wait->End(true);
  }

  void End(bool answered) {
    if (ended_) return;
    ended_ = true;
    uv_timer_stop(&timer_);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), Closed);
    deferred_.Resolve(Napi::Boolean::New(env_, answered));
  }

  static void Closed(uv_handle_t* handle) { static_cast<PortWait*>(handle->data)->self_.reset(); }

  Napi::Env env_;
  czone::PortProbe probe_;
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<PortWait> self_;
  uv_timer_t timer_ = {};
  uint64_t began_ns_ = 0;
  bool ended_ = false;
};

Napi::Value MakeChannel(const Napi::CallbackInfo& info) {
  int ends[2];
  int error = czone::MakeChannel(ends);
  if (error < 0) throw SystemError(info.Env(), -error, "make a channel");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0U, Napi::Number::New(info.Env(), ends[0]));
  pair.Set(1U, Napi::Number::New(info.Env(), ends[1]));
  return pair;
}

Napi::Value TakeChannel(const Napi::CallbackInfo& info) {
  int fd = czone::TakeChannel(NumberAt(info, 0, "pidfd"), NumberAt(info, 1, "fd"));
  if (fd < 0) throw SystemError(info.Env(), -fd, "take a channel over");
  return Napi::Number::New(info.Env(), fd);
}

void SendMessage(const Napi::CallbackInfo& info) {
  int fd = NumberAt(info, 0, "fd");
  if (!info[1].IsBuffer()) throw Napi::TypeError::New(info.Env(), "message is not a Buffer");
  auto bytes = info[1].As<Napi::Buffer<uint8_t>>();
  std::vector<int> descriptors = DescriptorsIn(info[2], "descriptors");
  int error = czone::SendMessage(fd, bytes.Data(), bytes.Length(), descriptors);
  if (error < 0) throw SystemError(info.Env(), -error, "write to a channel");
}

void ShutDown(const Napi::CallbackInfo& info) {
  int fd = NumberAt(info, 0, "fd");
  if (shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN)
    throw SystemError(info.Env(), errno, "shut a channel down");
}

void MakeFifo(const Napi::CallbackInfo& info) {
  std::string path = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  if (path.empty() || path.find('\0') != std::string::npos)
    throw Napi::TypeError::New(info.Env(), "path is not a text");
  if (mkfifo(path.c_str(), 0600) < 0) throw SystemError(info.Env(), errno, "make " + path);
}

void BecomeSubreaper(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
    throw SystemError(info.Env(), errno, "become a subreaper");
}

void TrimHeap(const Napi::CallbackInfo&) { malloc_trim(0); }

Napi::Value ReadNoneAround(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), czone::readNoneAround());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("openZone", Napi::Function::New(env, OpenZone));
  exports.Set("zoneInfo", Napi::Function::New(env, ZoneInfo));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd));
  exports.Set("spawnInZone", Napi::Function::New(env, SpawnInZone));
  exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen));
  exports.Set("waitPidfd", Napi::Function::New(env, PidfdWait::Start));
  exports.Set("waitPort", Napi::Function::New(env, PortWait::Start));
  exports.Set("makeChannel", Napi::Function::New(env, MakeChannel));
  exports.Set("takeChannel", Napi::Function::New(env, TakeChannel));
  exports.Set("sendMessage", Napi::Function::New(env, SendMessage));
  exports.Set("receiveMessage", Napi::Function::New(env, MessageWait::Start));
  exports.Set("shutDown", Napi::Function::New(env, ShutDown));
  exports.Set("makeFifo", Napi::Function::New(env, MakeFifo));
  exports.Set("becomeSubreaper", Napi::Function::New(env, BecomeSubreaper));
  exports.Set("trimHeap", Napi::Function::New(env, TrimHeap));
  exports.Set("readNoneAround", Napi::Function::New(env, ReadNoneAround));
  return exports;
}

NODE_API_MODULE(czone_guest, Init)

}  // namespace
