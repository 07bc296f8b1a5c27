// SPDX-License-Identifier: Apache-2.0
#include "test/fake_guest.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "os/system_error.h"
#include "test/check.h"

namespace czone::test {
namespace {

constexpr uint64_t kCommandBuffers = 0x10000;
constexpr uint64_t kCommandBufferBytes = 64;
constexpr uint64_t kResponseBuffer = 0x20000;
constexpr uint64_t kAckBuffer = 0x30000;
constexpr uint64_t kEventBuffer = 0x40000;

uint16_t load(const uint8_t* at) {
  return __atomic_load_n(reinterpret_cast<const uint16_t*>(at), __ATOMIC_ACQUIRE);
}

void store(uint8_t* at, uint16_t value) {
  __atomic_store_n(reinterpret_cast<uint16_t*>(at), value, __ATOMIC_RELEASE);
}

/** Long, since it only bounds a test that hangs. */
void waitUntil(const char* what, const std::function<bool()>& condition) {
  for (int i = 0; i < 30'000; i++) {
    if (condition()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  throw Failure{std::string("waited in vain for ") + what};
}

}  // namespace

void FakeRing::setDesc(uint16_t index, uint64_t addr, uint32_t sizeBytes, uint16_t flags,
                       uint16_t next) {
  const vring_desc desc{addr, sizeBytes, flags, next};
  std::memcpy(memory_ + descAddr() + index * sizeof(desc), &desc, sizeof(desc));
}

void FakeRing::offer(uint16_t head) {
  const uint16_t index = availIndex();
  store(memory_ + availAddr() + 4 + 2 * (index % kSize), head);
  setAvailIndex(static_cast<uint16_t>(index + 1));
}

void FakeRing::setAvailIndex(uint16_t index) { store(memory_ + availAddr() + 2, index); }
uint16_t FakeRing::availIndex() const { return load(memory_ + availAddr() + 2); }
uint16_t FakeRing::usedIndex() const { return load(memory_ + usedAddr() + 2); }

vring_used_elem FakeRing::used(uint16_t index) const {
  vring_used_elem element;
  std::memcpy(&element, memory_ + usedAddr() + 4 + sizeof(element) * (index % kSize),
              sizeof(element));
  return element;
}

FakeGuest::FakeGuest(int file) {
  void* memory = ::mmap(nullptr, kBootBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) throwErrno("map the memory file");
  memory_ = static_cast<uint8_t*>(memory);
  rings_ = {FakeRing(memory_, 0x1000), FakeRing(memory_, 0x2000), FakeRing(memory_, 0x3000)};
  for (UniqueFd& kick : kicks_) kick.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

FakeGuest::~FakeGuest() { ::munmap(memory_, kBootBytes); }

void FakeGuest::startQueues(FakeFrontEnd& frontEnd) {
  using vhost_user::Request;
  // As a driver does that finds the device for the first time, or again.
  std::memset(memory_ + 0x1000, 0, 0x3000);
  commandsTaken_ = commandsOffered_ = acksTaken_ = eventsTaken_ = 0;
  for (uint32_t i = 0; i < VIRTIO_CZONE_VQ_COUNT; i++) {
    const FakeRing& ring = rings_[i];
    CHECK(frontEnd.acked(Request::kSetVringNum, vhost_user::VringState{i, FakeRing::kSize}));
    CHECK(frontEnd.acked(Request::kSetVringBase, vhost_user::VringState{i, 0}));
    CHECK(frontEnd.acked(
        Request::kSetVringAddr,
        vhost_user::VringAddr{i, 0, kUserAddr + ring.descAddr(), kUserAddr + ring.usedAddr(),
                              kUserAddr + ring.availAddr(), 0}));
    CHECK(frontEnd.acked(Request::kSetVringKick, uint64_t{i}, {kicks_[i].get()}));
  }
  for (uint32_t i = 0; i < VIRTIO_CZONE_VQ_COUNT; i++) {
    CHECK(frontEnd.acked(Request::kSetVringEnable, vhost_user::VringState{i, 1}));
  }
}

void FakeGuest::kick(uint32_t index) {
  const uint64_t one = 1;
  CHECK_EQUAL(::write(kicks_[index].get(), &one, sizeof(one)), ssize_t{sizeof(one)});
}

void FakeGuest::offerCommandBuffer() {
  const uint16_t slot = commandsOffered_++ % FakeRing::kSize;
  rings_[0].setDesc(slot, kCommandBuffers + slot * kCommandBufferBytes,
                    sizeof(virtio_czone_command), VRING_DESC_F_WRITE);
  rings_[0].offer(slot);
  kick(0);
}

bool FakeGuest::hasCommand() const { return rings_[0].usedIndex() != commandsTaken_; }

virtio_czone_command FakeGuest::takeCommand() {
  waitUntil("a command", [&] { return hasCommand(); });
  const vring_used_elem element = rings_[0].used(commandsTaken_++);
  CHECK_EQUAL(element.len, sizeof(virtio_czone_command));
  virtio_czone_command command;
  std::memcpy(&command, memory_ + kCommandBuffers + element.id * kCommandBufferBytes,
              sizeof(command));
  return command;
}

virtio_czone_ack FakeGuest::respondBytes(const std::vector<uint8_t>& bytes) {
  std::memcpy(memory_ + kResponseBuffer, bytes.data(), bytes.size());
  std::memset(memory_ + kAckBuffer, 0xff, sizeof(virtio_czone_ack));
  rings_[1].setDesc(0, kResponseBuffer, static_cast<uint32_t>(bytes.size()), VRING_DESC_F_NEXT, 1);
  rings_[1].setDesc(1, kAckBuffer, sizeof(virtio_czone_ack), VRING_DESC_F_WRITE);
  rings_[1].offer(0);
  kick(1);
  waitUntil("an ack", [&] { return rings_[1].usedIndex() != acksTaken_; });
  CHECK_EQUAL(rings_[1].used(acksTaken_++).len, sizeof(virtio_czone_ack));
  virtio_czone_ack ack;
  std::memcpy(&ack, memory_ + kAckBuffer, sizeof(ack));
  return ack;
}

virtio_czone_ack FakeGuest::respond(virtio_czone_response response, const void* entries,
                                    size_t entriesBytes) {
  std::vector<uint8_t> bytes(sizeof(response) + entriesBytes);
  std::memcpy(bytes.data(), &response, sizeof(response));
  if (entriesBytes > 0) std::memcpy(bytes.data() + sizeof(response), entries, entriesBytes);
  return respondBytes(bytes);
}

void FakeGuest::tellBytes(const std::vector<uint8_t>& bytes) {
  std::memcpy(memory_ + kEventBuffer, bytes.data(), bytes.size());
  rings_[2].setDesc(0, kEventBuffer, static_cast<uint32_t>(bytes.size()), 0);
  rings_[2].offer(0);
  kick(2);
  waitUntil("the event's being taken", [&] { return rings_[2].usedIndex() != eventsTaken_; });
  CHECK_EQUAL(rings_[2].used(eventsTaken_++).len, 0u);
}

void FakeGuest::tell(const virtio_czone_event& event) {
  std::vector<uint8_t> bytes(sizeof(event));
  std::memcpy(bytes.data(), &event, sizeof(event));
  tellBytes(bytes);
}

virtio_czone_response FakeGuest::answerTo(const virtio_czone_command& command, uint16_t result) {
  virtio_czone_response response{};
  response.seq = command.seq;
  response.type = command.type;
  response.result = result;
  response.zone_id = command.zone_id;
  response.guest_ns = 1000;
  const bool sized =
      command.type == VIRTIO_CZONE_CMD_PLUG || command.type == VIRTIO_CZONE_CMD_RESIZE;
  if (sized && result == VIRTIO_CZONE_OK) response.size = command.size;
  return response;
}

}  // namespace czone::test
