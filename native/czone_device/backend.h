// SPDX-License-Identifier: Apache-2.0
// One device with its socket and its thread.
//
// The thread owns everything but the inbox. It waits in poll() only: neither the
// VMM nor the guest can hold it up. Discarding memory takes its time there, which
// a front-end that sends a message meanwhile waits for.
//
// Locks: inboxMutex_ alone, held for moving entries in and out, never over a system
// call or the listener.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "czone_device/czone_device.h"
#include "czone_device/device_config.h"
#include "guest_memory/guest_memory.h"
#include "os/unique_fd.h"
#include "vhost_user/connection.h"
#include "vhost_user/handler.h"

namespace czone {

class Backend {
 public:
  /** Of struct sockaddr_un, without the final zero. */
  static constexpr size_t kMaxSocketPathBytes = 107;

  /**
   * Listens at the path (a socket that is left over there is replaced) and starts the
   * thread. Throws std::system_error, or std::invalid_argument for a config that
   * checkConfig refuses. The listener outlives the back-end.
   */
  Backend(const std::string& socketPath, const DeviceConfig& config, Listener& listener);
  ~Backend() { stop(); }

  /** Any thread. Gives a command; its reply comes by the listener. False: stopped already. */
  bool submit(uint64_t token, const Command& command);
  /** Any thread but the back-end's own. Waits for the back-end's thread. */
  Discarded discard(const Range& range);
  /**
   * Ends commands with DISCONNECTED, the thread and the socket. Not on the back-end's own
   * thread; idempotent. No call of the listener comes after it.
   */
  void stop();

  const DeviceConfig& config() const { return config_; }

 private:
  struct Entry {
    uint64_t token = 0;
    Command command;
    /** Set: a discard of command.range. */
    std::shared_ptr<std::promise<Discarded>> discard;
  };

  void run();
  void acceptFrontEnd();
  void readFrontEnd();
  void drainKick(uint32_t index);
  void hangUp(const std::string& reason);
  void takeInbox();
  bool post(Entry entry);
  void wake();

  const std::string socketPath_;
  const DeviceConfig config_;
  Listener& listener_;
  GuestMemory memory_;
  CzoneDevice device_;
  vhost_user::Handler handler_;
  UniqueFd listenSocket_;
  UniqueFd wakeFd_;
  std::unique_ptr<vhost_user::Connection> connection_;
  uint32_t frontEndViolations_ = 0;

  std::mutex inboxMutex_;
  std::vector<Entry> inbox_;
  bool closed_ = false;  // under inboxMutex_: nothing is taken in any more

  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace czone
