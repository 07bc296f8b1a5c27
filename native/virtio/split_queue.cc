// SPDX-License-Identifier: Apache-2.0
#include "virtio/split_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "virtio/ring_layout.h"

namespace czone {
namespace {

uint16_t loadAcquire(const uint8_t* at) {
  return __atomic_load_n(reinterpret_cast<const uint16_t*>(at), __ATOMIC_ACQUIRE);
}

void storeRelease(uint8_t* at, uint16_t value) {
  __atomic_store_n(reinterpret_cast<uint16_t*>(at), value, __ATOMIC_RELEASE);
}

constexpr uint64_t kIndexOffset = 2;  // struct vring_avail and vring_used: flags, idx, ring
constexpr uint64_t kRingOffset = 4;

}  // namespace

bool SplitQueue::start(const GuestMemory& memory, const SplitQueueLayout& layout,
                       uint16_t nextAvail) {
  if (!sizeAllowed(layout.size) || layout.descAddr % 16 != 0 || layout.availAddr % 2 != 0 ||
      layout.usedAddr % 4 != 0) {
    return false;
  }
  const uint8_t* used = memory.at(layout.usedAddr, SplitQueueLayout::usedBytes(layout.size));
  if (used == nullptr ||
      memory.at(layout.descAddr, SplitQueueLayout::descBytes(layout.size)) == nullptr ||
      memory.at(layout.availAddr, SplitQueueLayout::availBytes(layout.size)) == nullptr) {
    return false;
  }
  layout_ = layout;
  nextAvail_ = nextAvail;
  nextUsed_ = loadAcquire(used + kIndexOffset);
  problem_.clear();
  return true;
}

SplitQueue::Pop SplitQueue::fail(std::string problem) {
  problem_ = std::move(problem);
  return Pop::kBroken;
}

SplitQueue::Pop SplitQueue::pop(const GuestMemory& memory, Chain* chain) {
  if (broken()) return Pop::kBroken;
  // The front-end may have taken the memory away since start().
  const uint8_t* avail = memory.at(layout_.availAddr, SplitQueueLayout::availBytes(layout_.size));
  const uint8_t* table = memory.at(layout_.descAddr, SplitQueueLayout::descBytes(layout_.size));
  if (avail == nullptr || table == nullptr) return fail("its rings are no longer mapped");

  const uint16_t waiting = static_cast<uint16_t>(loadAcquire(avail + kIndexOffset) - nextAvail_);
  if (waiting == 0) return Pop::kEmpty;
  if (waiting > layout_.size) return fail("its available index ran ahead of the ring");

  const uint16_t slot = nextAvail_ & (layout_.size - 1);
  const uint16_t head = loadAcquire(avail + kRingOffset + uint64_t{2} * slot);
  *chain = Chain{};
  chain->head = head;
  uint16_t index = head;
  for (;;) {
    if (index >= layout_.size) return fail("a descriptor index is out of range");
    // This bound also ends loops.
    if (chain->count == Chain::kMaxBuffers) return fail("a descriptor chain is too long");
    vring_desc desc{};
    std::memcpy(&desc, table + uint64_t{16} * index, sizeof(desc));
    if (desc.flags & VRING_DESC_F_INDIRECT)
      return fail("an indirect descriptor was not negotiated");
    const bool writable = (desc.flags & VRING_DESC_F_WRITE) != 0;
    if (!writable && chain->readableCount != chain->count) {
      return fail("a readable descriptor follows a writable one");
    }
    chain->buffers[chain->count++] = {desc.addr, desc.len};
    if (writable) {
      chain->writableBytes += desc.len;
    } else {
      chain->readableCount++;
      chain->readableBytes += desc.len;
    }
    if ((desc.flags & VRING_DESC_F_NEXT) == 0) break;
    index = desc.next;
  }
  nextAvail_++;
  return Pop::kChain;
}

bool SplitQueue::push(const GuestMemory& memory, uint16_t head, uint32_t writtenBytes) {
  uint8_t* used = memory.at(layout_.usedAddr, SplitQueueLayout::usedBytes(layout_.size));
  if (used == nullptr) {
    fail("its rings are no longer mapped");
    return false;
  }
  const uint16_t slot = nextUsed_ & (layout_.size - 1);
  const vring_used_elem element{head, writtenBytes};
  std::memcpy(used + kRingOffset + uint64_t{8} * slot, &element, sizeof(element));
  nextUsed_++;
  storeRelease(used + kIndexOffset, nextUsed_);
  return true;
}

bool SplitQueue::wantsInterrupt(const GuestMemory& memory) const {
  // The index must be visible before the driver's flag is read.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const uint8_t* avail = memory.at(layout_.availAddr, SplitQueueLayout::availBytes(layout_.size));
  return avail != nullptr && (loadAcquire(avail) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

bool SplitQueue::readChain(const GuestMemory& memory, const Chain& chain, void* into,
                           size_t sizeBytes) {
  auto* at = static_cast<uint8_t*>(into);
  for (size_t i = 0; i < chain.readableCount && sizeBytes > 0; i++) {
    const size_t part = std::min<size_t>(chain.buffers[i].sizeBytes, sizeBytes);
    if (part == 0) continue;
    if (!memory.read(chain.buffers[i].addr, at, part)) return false;
    at += part;
    sizeBytes -= part;
  }
  return sizeBytes == 0;
}

bool SplitQueue::writeChain(const GuestMemory& memory, const Chain& chain, const void* from,
                            size_t sizeBytes) {
  const auto* at = static_cast<const uint8_t*>(from);
  for (size_t i = chain.readableCount; i < chain.count && sizeBytes > 0; i++) {
    const size_t part = std::min<size_t>(chain.buffers[i].sizeBytes, sizeBytes);
    if (part == 0) continue;
    if (!memory.write(chain.buffers[i].addr, at, part)) return false;
    at += part;
    sizeBytes -= part;
  }
  return sizeBytes == 0;
}

}  // namespace czone
