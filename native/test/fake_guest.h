// SPDX-License-Identifier: Apache-2.0
// The driver's side of the rings, in a mapping of the memory file. It can put
// anything anywhere, as a hostile guest can.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "linux/virtio_czone.h"
#include "os/unique_fd.h"
#include "test/fake_front_end.h"
#include "test/test_memory.h"
#include "virtio/ring_layout.h"
#include "virtio/split_queue.h"

namespace czone::test {

/** One ring of kSize entries at a guest-physical address. */
class FakeRing {
 public:
  static constexpr uint16_t kSize = 8;

  FakeRing(uint8_t* memory, uint64_t addr) : memory_(memory), addr_(addr) {}

  uint64_t descAddr() const { return addr_; }
  uint64_t availAddr() const { return addr_ + 0x400; }
  uint64_t usedAddr() const { return addr_ + 0x800; }
  SplitQueueLayout layout() const { return {kSize, descAddr(), availAddr(), usedAddr()}; }

  void setDesc(uint16_t index, uint64_t addr, uint32_t sizeBytes, uint16_t flags,
               uint16_t next = 0);
  /** Makes the chain that begins at `head` available. */
  void offer(uint16_t head);
  void setAvailIndex(uint16_t index);
  uint16_t availIndex() const;
  uint16_t usedIndex() const;
  vring_used_elem used(uint16_t index) const;

 private:
  uint8_t* memory_;
  uint64_t addr_;
};

class FakeGuest {
 public:
  /** Maps the boot memory of the file. */
  explicit FakeGuest(int file);
  ~FakeGuest();
  FakeGuest(const FakeGuest&) = delete;
  FakeGuest& operator=(const FakeGuest&) = delete;

  FakeRing& ring(uint32_t index) { return rings_[index]; }
  uint8_t* at(uint64_t addr) { return memory_ + addr; }

  /** SET_VRING_* of all queues, as a front-end does when the driver is ready. */
  void startQueues(FakeFrontEnd& frontEnd);
  void kick(uint32_t index);

  /** Offers a buffer for a command. */
  void offerCommandBuffer();
  /** The next command; fails the test when none comes. */
  virtio_czone_command takeCommand();
  bool hasCommand() const;

  /** Sends a response and waits for its ack. `entries`: bytes behind it. */
  virtio_czone_ack respond(virtio_czone_response response, const void* entries = nullptr,
                           size_t entriesBytes = 0);
  /** The same, of any bytes. */
  virtio_czone_ack respondBytes(const std::vector<uint8_t>& bytes);

  /** Sends an event and waits until the device has taken it. */
  void tell(const virtio_czone_event& event);
  void tellBytes(const std::vector<uint8_t>& bytes);

  static virtio_czone_response answerTo(const virtio_czone_command& command,
                                        uint16_t result = VIRTIO_CZONE_OK);

 private:
  uint8_t* memory_ = nullptr;
  std::vector<FakeRing> rings_;
  UniqueFd kicks_[VIRTIO_CZONE_VQ_COUNT];
  uint16_t commandsTaken_ = 0;
  uint16_t commandsOffered_ = 0;
  uint16_t acksTaken_ = 0;
  uint16_t eventsTaken_ = 0;
};

}  // namespace czone::test
