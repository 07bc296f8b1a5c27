// SPDX-License-Identifier: Apache-2.0
// What the fuzzers share: bytes taken piece by piece from an input, and a device
// without a thread, at the far end of a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "czone_device/czone_device.h"
#include "guest_memory/guest_memory.h"
#include "os/unique_fd.h"
#include "vhost_user/connection.h"
#include "vhost_user/handler.h"

namespace czone::fuzz {

/** The input; where it ends there are zeros. */
class Input {
 public:
  Input(const uint8_t* bytes, size_t sizeBytes) : at_(bytes), left_(sizeBytes) {}
  bool empty() const { return left_ == 0; }
  uint8_t byte();
  uint16_t word();
  std::vector<uint8_t> bytes(size_t atMost);

 private:
  const uint8_t* at_;
  size_t left_;
};

/** Aborts when a reply comes twice, or an event that can not be. */
class Counter final : public Listener {
 public:
  void onEvent(const Event&) override {}
  void onGuestEvents(const std::vector<GuestEvent>& events) override;
  void onReply(uint64_t token, Reply reply) override;

 private:
  std::vector<bool> answered_;
};

constexpr uint64_t kBootBytes = 1 << 20;
constexpr uint64_t kRegionAddr = uint64_t{4} << 30;
constexpr uint64_t kRegionBytes = 16 << 20;
constexpr uint64_t kUserAddr = 0x7f0000000000;

/** A file for the guest's memory that all runs share, and eventfds for rings. */
int memoryFile();
int eventFd();
/** Time that goes on only when a fuzzer says so. */
extern uint64_t nowNs;

struct Target {
  Target();
  /** Reads what the peer has sent; false when the connection has ended. */
  bool readAll();
  void send(const void* bytes, size_t sizeBytes, const std::vector<int>& fds);
  void request(vhost_user::Request request, const void* payload, size_t sizeBytes,
               const std::vector<int>& fds = {});
  /** All that it takes to have the queues run, rings at 0x1000, 0x2000 and 0x3000. */
  void start();

  Counter counter;
  GuestMemory memory{{kRegionAddr, kRegionBytes}};
  CzoneDevice device;
  vhost_user::Handler handler{memory, device};
  UniqueFd peer;
  std::unique_ptr<vhost_user::Connection> connection;
};

}  // namespace czone::fuzz
