// SPDX-License-Identifier: Apache-2.0
// czone_guest.node: what src/guest/native.ts declares.
#include <malloc.h>
#include <napi.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "fork/pidfd.h"
#include "fork/spawn.h"
#include "fork/zone.h"

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

// One wait: lives from waitPidfd() until libuv has closed its handle.
class PidfdWait {
 public:
  static Napi::Value Start(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    int32_t pidfd = NumberAt(info, 0, "pidfd");
    auto* wait = new PidfdWait(env, pidfd);
    Napi::Promise promise = wait->deferred_.Promise();
    uv_loop_s* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    int error = uv_poll_init(loop, &wait->poll_, wait->pidfd_);
    if (error < 0) {
      wait->deferred_.Reject(SystemError(env, -error, "watch a process").Value());
      delete wait;
      return promise;
    }
    uv_poll_start(&wait->poll_, UV_READABLE, Ended);
    return promise;
  }

 private:
  PidfdWait(Napi::Env env, int pidfd)
      : env_(env), deferred_(Napi::Promise::Deferred::New(env)), pidfd_(pidfd) {
    poll_.data = this;
  }

  static void Ended(uv_poll_t* poll, int, int) {
    auto* wait = static_cast<PidfdWait*>(poll->data);
    uv_poll_stop(poll);
    uv_close(reinterpret_cast<uv_handle_t*>(poll), Closed);
    wait->Settle();
  }

  static void Closed(uv_handle_t* handle) { delete static_cast<PidfdWait*>(handle->data); }

  void Settle() {
    Napi::HandleScope scope(env_);
    czone::ExitStatus status = czone::ReapPidfd(pidfd_);
    close(pidfd_);
    Napi::Object result = Napi::Object::New(env_);
    auto set = [&](const char* name, const std::optional<int>& value) {
      result.Set(name, value ? Napi::Value(Napi::Number::New(env_, *value)) : env_.Null());
    };
    set("exitCode", status.exit_code);
    set("signal", status.signal);
    // The scope runs the promise's callbacks, as after any callback of Node's own.
    Napi::CallbackScope callbacks(env_, Napi::AsyncContext(env_, "czone.waitPidfd"));
    deferred_.Resolve(result);
  }

  Napi::Env env_;
  Napi::Promise::Deferred deferred_;
  int pidfd_;
  uv_poll_t poll_ = {};
};

void BecomeSubreaper(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
    throw SystemError(info.Env(), errno, "become a subreaper");
}

void TrimHeap(const Napi::CallbackInfo&) { malloc_trim(0); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("openZone", Napi::Function::New(env, OpenZone));
  exports.Set("zoneInfo", Napi::Function::New(env, ZoneInfo));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd));
  exports.Set("spawnInZone", Napi::Function::New(env, SpawnInZone));
  exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen));
  exports.Set("waitPidfd", Napi::Function::New(env, PidfdWait::Start));
  exports.Set("becomeSubreaper", Napi::Function::New(env, BecomeSubreaper));
  exports.Set("trimHeap", Napi::Function::New(env, TrimHeap));
  return exports;
}

NODE_API_MODULE(czone_guest, Init)

}  // namespace
