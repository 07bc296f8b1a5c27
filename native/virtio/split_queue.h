// SPDX-License-Identifier: Apache-2.0
// A split virtqueue (virtio 1.2, section 2.7), seen from the device.
//
// Everything in the ring belongs to the guest and may change at any time: each
// index and descriptor is read once, into our own memory, and checked there.
// Indirect descriptors and event indices are not offered, so a guest that uses
// them broke the protocol. A queue that was found broken stays so until the
// driver resets it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "guest_memory/guest_memory.h"

namespace czone {

struct Buffer {
  uint64_t addr = 0;
  uint32_t sizeBytes = 0;
};

/** One request of the driver: what the device may read, and then what it may write. */
struct Chain {
  static constexpr size_t kMaxBuffers = 16;

  uint16_t head = 0;
  size_t readableCount = 0;
  size_t count = 0;
  uint64_t readableBytes = 0;
  uint64_t writableBytes = 0;
  std::array<Buffer, kMaxBuffers> buffers{};
};

struct SplitQueueLayout {
  uint16_t size = 0;
  uint64_t descAddr = 0;
  uint64_t availAddr = 0;
  uint64_t usedAddr = 0;

  static uint64_t descBytes(uint16_t size) { return uint64_t{16} * size; }
  static uint64_t availBytes(uint16_t size) { return 4 + uint64_t{2} * size; }
  static uint64_t usedBytes(uint16_t size) { return 4 + uint64_t{8} * size; }
};

class SplitQueue {
 public:
  static constexpr uint16_t kMaxSize = 1024;
  enum class Pop { kEmpty, kChain, kBroken };

  /** Whether the size is one that a split queue can have here. */
  static bool sizeAllowed(uint32_t size) {
    return size > 0 && size <= kMaxSize && (size & (size - 1)) == 0;
  }

  /** Starts at the driver's entry `nextAvail`. False where the rings are not mapped or misaligned.
   */
  bool start(const GuestMemory& memory, const SplitQueueLayout& layout, uint16_t nextAvail);

  /** The next request, if there is one. */
  Pop pop(const GuestMemory& memory, Chain* chain);
  /** Hands a request back, `writtenBytes` of its writable part written. */
  bool push(const GuestMemory& memory, uint16_t head, uint32_t writtenBytes);
  /** Whether the driver wants an interrupt for what was pushed. */
  bool wantsInterrupt(const GuestMemory& memory) const;

  uint16_t nextAvail() const { return nextAvail_; }
  uint16_t size() const { return layout_.size; }
  bool broken() const { return !problem_.empty(); }
  const std::string& problem() const { return problem_; }

  /** Copies the readable part, at most `maxBytes`; false where an address is not mapped. */
  static bool readChain(const GuestMemory& memory, const Chain& chain, void* into,
                        size_t sizeBytes);
  /** Copies into the writable part, from its start. */
  static bool writeChain(const GuestMemory& memory, const Chain& chain, const void* from,
                         size_t sizeBytes);

 private:
  Pop fail(std::string problem);

  SplitQueueLayout layout_;
  uint16_t nextAvail_ = 0;
  uint16_t nextUsed_ = 0;
  std::string problem_;
};

}  // namespace czone
