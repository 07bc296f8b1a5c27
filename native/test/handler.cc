// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/handler.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>

#include "test/bench.h"

namespace czone::test {
namespace {

using vhost_user::ConfigArea;
using vhost_user::Request;
using vhost_user::VringAddr;
using vhost_user::VringState;

/** A front-end that has negotiated but done nothing else. */
struct Negotiated : Bench {
  Negotiated() { frontEnd.negotiate(); }
};

}  // namespace

TEST(features_and_queues_are_offered) {
  Bench bench;
  bench.frontEnd.send(Request::kGetFeatures, nullptr, 0);
  const uint64_t features = bench.frontEnd.replyU64(Request::kGetFeatures);
  CHECK_EQUAL(features,
              (uint64_t{1} << VIRTIO_F_VERSION_1) | (uint64_t{1} << 30) | CzoneDevice::kFeatures);
  CHECK_EQUAL(CzoneDevice::kFeatures, 15u);
  bench.frontEnd.negotiate();
  bench.frontEnd.send(Request::kGetQueueNum, nullptr, 0);
  CHECK_EQUAL(bench.frontEnd.replyU64(Request::kGetQueueNum), uint64_t{VIRTIO_CZONE_VQ_COUNT});
  bench.frontEnd.send(Request::kGetMaxMemSlots, nullptr, 0);
  CHECK_EQUAL(bench.frontEnd.replyU64(Request::kGetMaxMemSlots), GuestMemory::kMaxRegions);
}

TEST(the_config_space_is_the_device_header) {
  Negotiated bench;
  uint8_t request[sizeof(ConfigArea) + 64] = {};
  const ConfigArea area{0, 64, 0};
  std::memcpy(request, &area, sizeof(area));
  bench.frontEnd.send(Request::kGetConfig, request, sizeof(request));
  const auto payload = bench.frontEnd.reply(Request::kGetConfig);
  CHECK_EQUAL(payload->size(), sizeof(request));
  virtio_czone_config config;
  std::memcpy(&config, payload->data() + sizeof(area), sizeof(config));
  CHECK_EQUAL(config.magic, unsigned{VIRTIO_CZONE_MAGIC});
  CHECK_EQUAL(config.version, unsigned{VIRTIO_CZONE_VERSION});
  CHECK_EQUAL(config.region_addr, kRegionAddr);
  CHECK_EQUAL(config.region_size, kRegionBytes);
  CHECK_EQUAL(config.block_size, 2 * kMiB);
  CHECK_EQUAL(config.max_zones, 300u);
  // What lies behind it is empty, and writing changes nothing.
  for (size_t i = sizeof(area) + sizeof(config); i < payload->size(); i++) {
    CHECK_EQUAL(int{(*payload)[i]}, 0);
  }
  std::memset(request + sizeof(area), 0xff, 64);
  bench.frontEnd.send(Request::kSetConfig, request, sizeof(request));
  bench.frontEnd.send(Request::kGetConfig, request, sizeof(request));
  CHECK(*bench.frontEnd.reply(Request::kGetConfig) == *payload);
}

TEST(a_config_request_outside_the_area_gets_an_empty_answer) {
  Negotiated bench;
  uint8_t request[sizeof(ConfigArea) + 32] = {};
  const ConfigArea area{250, 32, 0};
  std::memcpy(request, &area, sizeof(area));
  bench.frontEnd.send(Request::kGetConfig, request, sizeof(request));
  CHECK_EQUAL(bench.frontEnd.reply(Request::kGetConfig)->size(), 0u);
}

TEST(what_was_not_offered_is_refused) {
  Negotiated bench;
  CHECK(!bench.frontEnd.acked(Request::kSetFeatures, uint64_t{1} << 29));
  CHECK(!bench.frontEnd.acked(Request::kSetProtocolFeatures, uint64_t{1} << 1));
  CHECK(!bench.frontEnd.acked(static_cast<Request>(32), uint64_t{0}));
  bench.recorder.event(EventKind::kViolation);
  // And the connection goes on.
  bench.frontEnd.send(Request::kGetQueueNum, nullptr, 0);
  CHECK_EQUAL(bench.frontEnd.replyU64(Request::kGetQueueNum), uint64_t{VIRTIO_CZONE_VQ_COUNT});
}

TEST(a_wrong_message_that_wants_no_answer_ends_the_connection) {
  Negotiated bench;
  bench.frontEnd.send(Request::kSetVringNum, VringState{VIRTIO_CZONE_VQ_COUNT, 8});
  CHECK(bench.frontEnd.hungUp());
  CHECK(bench.recorder.event(EventKind::kDisconnected).find("SET_VRING_NUM") == 0);
}

TEST(vrings_have_bounds) {
  Negotiated bench;
  FakeFrontEnd& frontEnd = bench.frontEnd;
  CHECK(frontEnd.acked(Request::kSetVringNum, VringState{1, 64}));
  for (const uint32_t size : {0u, 3u, 2048u, 0x10000u, 0xffffffffu}) {
    CHECK(!frontEnd.acked(Request::kSetVringNum, VringState{0, size}));
  }
  for (const uint32_t index : {uint32_t{VIRTIO_CZONE_VQ_COUNT}, 255u, 0xffffffffu}) {
    CHECK(!frontEnd.acked(Request::kSetVringNum, VringState{index, 64}));
    CHECK(!frontEnd.acked(Request::kSetVringEnable, VringState{index, 1}));
    CHECK(!frontEnd.acked(Request::kSetVringAddr, VringAddr{index, 0, 0, 0, 0, 0}));
  }
  CHECK(!frontEnd.acked(Request::kSetVringBase, VringState{0, 0x10000}));
  CHECK(!frontEnd.acked(Request::kSetVringAddr, VringAddr{0, 1, 0, 0, 0, 0}));
}

TEST(only_an_eventfd_can_kick) {
  Negotiated bench;
  int pipe[2];
  CHECK_EQUAL(::pipe2(pipe, O_CLOEXEC), 0);
  CHECK(!bench.frontEnd.acked(Request::kSetVringKick, uint64_t{0}, {pipe[0]}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringCall, uint64_t{0}, {bench.file.get()}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringKick, uint64_t{0x100}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringKick, uint64_t{0}));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(rings_outside_the_memory_do_not_start) {
  Negotiated bench;
  bench.frontEnd.shareMemory(bench.file.get());
  const UniqueFd kick(::eventfd(0, EFD_CLOEXEC));
  for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
    // In the zone region: part of the memory, but not of what is mapped.
    const uint64_t at = kUserAddr + kBootBytes + i * 0x1000;
    CHECK(bench.frontEnd.acked(Request::kSetVringNum, VringState{i, 8}));
    CHECK(bench.frontEnd.acked(Request::kSetVringAddr,
                               VringAddr{i, 0, at, at + 0x400, at + 0x800, 0}));
    CHECK(bench.frontEnd.acked(Request::kSetVringKick, uint64_t{i}, {kick.get()}));
  }
  CHECK(bench.frontEnd.acked(Request::kSetVringEnable, VringState{0, 1}));
  CHECK(bench.frontEnd.acked(Request::kSetVringEnable, VringState{1, 1}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringEnable, VringState{2, 1}));
  CHECK_EQUAL(bench.recorder.count(EventKind::kReady), 0u);
}

TEST(a_driver_without_virtio_1_does_not_start) {
  Negotiated bench;
  CHECK(bench.frontEnd.acked(Request::kSetFeatures, uint64_t{1} << 30));
  bench.frontEnd.shareMemory(bench.file.get());
  const UniqueFd kick(::eventfd(0, EFD_CLOEXEC));
  for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
    CHECK(bench.frontEnd.acked(Request::kSetVringKick, uint64_t{i}, {kick.get()}));
  }
  CHECK(bench.frontEnd.acked(Request::kSetVringEnable, VringState{0, 1}));
  CHECK(bench.frontEnd.acked(Request::kSetVringEnable, VringState{1, 1}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringEnable, VringState{2, 1}));
}

TEST(a_running_vring_keeps_its_shape) {
  Bench bench;
  bench.start();
  CHECK(!bench.frontEnd.acked(Request::kSetVringNum, VringState{0, 64}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringBase, VringState{0, 1}));
  CHECK(!bench.frontEnd.acked(Request::kSetVringAddr, VringAddr{0, 0, 0, 0, 0, 0}));
}

TEST(a_stopped_vring_tells_where_it_was_and_can_start_again) {
  Bench bench;
  bench.start();
  bench.plug(1, Bench::zone(0, 8));
  for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
    bench.frontEnd.send(Request::kGetVringBase, VringState{i, 0});
    const auto payload = bench.frontEnd.reply(Request::kGetVringBase);
    VringState state;
    CHECK_EQUAL(payload->size(), sizeof(state));
    std::memcpy(&state, payload->data(), sizeof(state));
    CHECK_EQUAL(state.index, i);
    CHECK_EQUAL(state.value, i == VIRTIO_CZONE_VQ_EVENT ? 0u : 1u);
  }
  bench.recorder.event(EventKind::kDisconnected);
  bench.guest.startQueues(bench.frontEnd);
  bench.recorder.event(EventKind::kReady);
  CHECK(bench.carryOut(CommandType::kUnplug, 1, Bench::zone(0, 8)).result == Result::kOk);
}

TEST(memory_that_is_taken_away_breaks_the_queues_not_the_process) {
  Bench bench;
  bench.start();
  const uint64_t token = bench.give(CommandType::kPlug, 1, Bench::zone(0, 8));
  CHECK(bench.frontEnd.ackedRegion(Request::kRemMemReg, memoryRegions()[0], {}));
  bench.guest.kick(1);
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  CHECK(!bench.frontEnd.ackedRegion(Request::kRemMemReg, memoryRegions()[0], {}));
}

TEST(a_front_end_that_only_makes_mistakes_is_hung_up_on) {
  Negotiated bench;
  for (uint32_t i = 0; i < CzoneDevice::kMaxViolations - 1; i++) {
    CHECK(!bench.frontEnd.acked(Request::kSetVringNum, VringState{9, 8}));
  }
  bench.frontEnd.send(Request::kSetVringNum, VringState{9, 8}, {}, vhost_user::kFlagNeedReply);
  bench.frontEnd.reply(Request::kSetVringNum);
  CHECK(bench.frontEnd.hungUp());
}

}  // namespace czone::test
