// SPDX-License-Identifier: Apache-2.0
#include "virtio/split_queue.h"

#include <fcntl.h>

#include <cstring>

#include "guest_memory/memory_file.h"
#include "test/check.h"
#include "test/fake_guest.h"
#include "test/test_memory.h"

namespace czone::test {
namespace {

/** A queue over the first ring of a fake guest. */
struct Setup {
  UniqueFd file = createMemoryFile("queue", kFileBytes);
  GuestMemory memory{{kRegionAddr, kRegionBytes}};
  FakeGuest guest{file.get()};
  FakeRing& ring = guest.ring(0);
  SplitQueue queue;
  Chain chain;

  Setup() {
    for (const auto& spec : memoryRegions()) {
      CHECK(!memory.add(spec, UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 3))));
    }
    CHECK(queue.start(memory, ring.layout(), 0));
  }

  SplitQueue::Pop pop() { return queue.pop(memory, &chain); }
};

}  // namespace

TEST(a_chain_comes_out_as_it_was_put_in) {
  Setup s;
  CHECK(s.pop() == SplitQueue::Pop::kEmpty);
  std::memcpy(s.guest.at(0x20000), "guest", 5);
  std::memcpy(s.guest.at(0x21000), "words", 5);
  s.ring.setDesc(3, 0x20000, 5, VRING_DESC_F_NEXT, 1);
  s.ring.setDesc(1, 0x21000, 5, VRING_DESC_F_NEXT, 7);
  s.ring.setDesc(7, 0x22000, 100, VRING_DESC_F_WRITE);
  s.ring.offer(3);
  CHECK(s.pop() == SplitQueue::Pop::kChain);
  CHECK_EQUAL(s.chain.head, 3);
  CHECK_EQUAL(s.chain.readableBytes, 10u);
  CHECK_EQUAL(s.chain.writableBytes, 100u);
  char words[11] = {};
  CHECK(SplitQueue::readChain(s.memory, s.chain, words, 10));
  CHECK_EQUAL(std::string(words), "guestwords");
  CHECK(SplitQueue::writeChain(s.memory, s.chain, "device", 6));
  CHECK(std::memcmp(s.guest.at(0x22000), "device", 6) == 0);
  CHECK(s.queue.push(s.memory, s.chain.head, 6));
  CHECK_EQUAL(s.ring.usedIndex(), 1);
  CHECK_EQUAL(s.ring.used(0).id, 3u);
  CHECK_EQUAL(s.ring.used(0).len, 6u);
  CHECK(s.pop() == SplitQueue::Pop::kEmpty);
}

TEST(indices_wrap_around) {
  Setup s;
  s.ring.setAvailIndex(0xfffe);
  CHECK(s.queue.start(s.memory, s.ring.layout(), 0xfffe));
  s.ring.setDesc(0, 0x20000, 8, VRING_DESC_F_WRITE);
  for (int i = 0; i < 5; i++) {
    s.ring.offer(0);
    CHECK(s.pop() == SplitQueue::Pop::kChain);
    CHECK(s.queue.push(s.memory, 0, 8));
  }
  CHECK_EQUAL(s.queue.nextAvail(), 3);
  CHECK_EQUAL(s.ring.usedIndex(), 5);
}

TEST(a_head_out_of_range_breaks_the_queue) {
  Setup s;
  s.ring.offer(FakeRing::kSize);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
  // And it stays broken, whatever the guest does.
  s.ring.setAvailIndex(0);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(a_next_out_of_range_breaks_the_queue) {
  Setup s;
  s.ring.setDesc(0, 0x20000, 8, VRING_DESC_F_NEXT, 0xffff);
  s.ring.offer(0);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(a_loop_of_descriptors_breaks_the_queue) {
  Setup s;
  s.ring.setDesc(0, 0x20000, 8, VRING_DESC_F_NEXT, 1);
  s.ring.setDesc(1, 0x20000, 8, VRING_DESC_F_NEXT, 0);
  s.ring.offer(0);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(an_available_index_ahead_of_the_ring_breaks_the_queue) {
  Setup s;
  s.ring.setAvailIndex(FakeRing::kSize + 1);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(an_indirect_descriptor_breaks_the_queue) {
  Setup s;
  s.ring.setDesc(0, 0x20000, 32, VRING_DESC_F_INDIRECT);
  s.ring.offer(0);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(a_readable_descriptor_behind_a_writable_one_breaks_the_queue) {
  Setup s;
  s.ring.setDesc(0, 0x20000, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
  s.ring.setDesc(1, 0x20000, 8, 0);
  s.ring.offer(0);
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
}

TEST(addresses_outside_memory_are_not_copied) {
  Setup s;
  char bytes[64];
  for (const uint64_t addr : {kBootBytes, kBootBytes - 4, kRegionAddr, UINT64_MAX - 3}) {
    s.ring.setDesc(0, addr, 8, VRING_DESC_F_NEXT, 1);
    s.ring.setDesc(1, addr, 0xffffffff, VRING_DESC_F_WRITE);
    s.ring.offer(0);
    CHECK(s.pop() == SplitQueue::Pop::kChain);
    CHECK(!SplitQueue::readChain(s.memory, s.chain, bytes, 8));
    CHECK(!SplitQueue::writeChain(s.memory, s.chain, bytes, 8));
  }
  // More than the chain has.
  s.ring.setDesc(0, 0x20000, 8, 0);
  s.ring.offer(0);
  CHECK(s.pop() == SplitQueue::Pop::kChain);
  CHECK(!SplitQueue::readChain(s.memory, s.chain, bytes, 9));
}

TEST(rings_outside_memory_do_not_start) {
  Setup s;
  SplitQueueLayout good = s.ring.layout();
  const auto starts = [&](auto field, uint64_t value) {
    SplitQueueLayout layout = good;
    layout.*field = value;
    return s.queue.start(s.memory, layout, 0);
  };
  for (const auto field :
       {&SplitQueueLayout::descAddr, &SplitQueueLayout::availAddr, &SplitQueueLayout::usedAddr}) {
    CHECK(!starts(field, kRegionAddr));
    CHECK(!starts(field, kBootBytes - 16));
    CHECK(!starts(field, UINT64_MAX - 15));
    CHECK(!starts(field, 0x1001));
  }
  for (const uint16_t size : {0, 3, 2048, 32768}) {
    SplitQueueLayout layout = good;
    layout.size = size;
    CHECK(!s.queue.start(s.memory, layout, 0));
  }
  CHECK(s.queue.start(s.memory, good, 0));
}

TEST(memory_that_goes_away_breaks_the_queue) {
  Setup s;
  s.ring.setDesc(0, 0x20000, 8, 0);
  s.ring.offer(0);
  s.memory.clear();
  CHECK(s.pop() == SplitQueue::Pop::kBroken);
  CHECK(!s.queue.push(s.memory, 0, 0));
  CHECK(!s.queue.wantsInterrupt(s.memory));
}

TEST(a_driver_can_switch_interrupts_off) {
  Setup s;
  CHECK(s.queue.wantsInterrupt(s.memory));
  const uint16_t flags = VRING_AVAIL_F_NO_INTERRUPT;
  std::memcpy(s.guest.at(s.ring.availAddr()), &flags, sizeof(flags));
  CHECK(!s.queue.wantsInterrupt(s.memory));
}

}  // namespace czone::test
