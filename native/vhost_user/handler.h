// SPDX-License-Identifier: Apache-2.0
// What a front-end negotiates: features, memory, and the life of the vrings.
//
// A vring is
//   stopped  no kick descriptor; SET_VRING_NUM, _BASE and _ADDR shape it
//   started  SET_VRING_KICK came; not looked at while it is not enabled
//   running  started and enabled, and its rings lie in mapped memory
// GET_VRING_BASE, RESET_DEVICE and the end of the connection stop it. Only the
// front-end moves a vring, except that a ring found broken stops being looked at.
//
// The device is told when all its vrings run, and when they no longer do.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest_memory/guest_memory.h"
#include "os/unique_fd.h"
#include "vhost_user/connection.h"
#include "vhost_user/message.h"
#include "virtio/split_queue.h"

namespace czone::vhost_user {

/** What the handler serves. Called on the handler's thread. */
class Device {
 public:
  virtual ~Device() = default;
  /** Virtio feature bits that the device offers, without the carrier's own. */
  virtual uint64_t features() const = 0;
  /** The config space; it does not change. */
  virtual const std::vector<uint8_t>& config() const = 0;
  /** All vrings run. */
  virtual void onStarted(uint64_t ackedFeatures) = 0;
  /** They no longer do. */
  virtual void onStopped(const std::string& reason) = 0;
};

class Handler {
 public:
  static constexpr uint32_t kQueueCount = 3;

  /** The memory and the device outlive the handler. */
  Handler(GuestMemory& memory, Device& device) : memory_(memory), device_(device) {}

  /**
   * Carries a message out and answers it. Returns what was wrong with it, if
   * anything; then `alive` says whether the connection can go on.
   */
  std::optional<std::string> handle(Connection& connection, Message message, bool* alive);

  /** The connection has ended: everything negotiated is forgotten. */
  void reset(const std::string& reason);

  /** The eventfd of a running vring, else -1. */
  int kickFd(uint32_t index) const;
  SplitQueue& queue(uint32_t index) { return vrings_[index].queue; }
  bool running() const { return running_; }
  /** Interrupts the driver, where it asked for that. */
  void notify(uint32_t index);
  /** A ring turned out to be broken: no vring is served until the driver starts over. */
  void fail(const std::string& reason);

 private:
  struct Vring {
    uint32_t size = 0;
    uint16_t base = 0;
    std::optional<VringAddr> userAddr;
    UniqueFd kick;
    UniqueFd call;
    bool enabled = false;
    SplitQueue queue;
  };

  /** A text: the message was wrong. `answered`: a reply was sent or is not due. */
  std::optional<std::string> carryOut(Connection& connection, Message& message, bool* answered);
  std::optional<std::string> setVring(Message& message);
  std::optional<std::string> setVringFd(Message& message);
  std::optional<std::string> setMemory(Message& message);
  std::optional<std::string> getConfig(Connection& connection, const Message& message);
  std::optional<std::string> getVringBase(Connection& connection, const Message& message);
  std::optional<std::string> replyU64(Connection& connection, const Message& message,
                                      uint64_t value);
  std::optional<std::string> startQueues();
  void stopQueues(const std::string& reason);
  bool wantsToRun(const Vring& vring) const;

  GuestMemory& memory_;
  Device& device_;
  std::array<Vring, kQueueCount> vrings_;
  uint64_t features_ = 0;
  uint64_t protocolFeatures_ = 0;
  bool running_ = false;
};

}  // namespace czone::vhost_user
