// SPDX-License-Identifier: Apache-2.0
#include "czone_device/czone_device.h"

#include <iterator>

#include "test/bench.h"

namespace czone::test {
namespace {

const Range kZone = Bench::zone(0, 8);

struct Started : Bench {
  Started() { start(); }

  /** A command in the guest's hands. */
  virtio_czone_command inGuest(CommandType type, uint32_t zoneId, Range range, uint64_t* token,
                               uint64_t timeoutMs = 30'000) {
    guest.offerCommandBuffer();
    *token = give(type, zoneId, range, timeoutMs);
    return guest.takeCommand();
  }

  /** The same of any command. */
  virtio_czone_command inGuest(const Command& given, uint64_t* token) {
    guest.offerCommandBuffer();
    *token = give(given);
    return guest.takeCommand();
  }

  virtio_czone_ack report(const virtio_czone_command& command,
                          const std::vector<virtio_czone_range>& ranges, bool more = false) {
    virtio_czone_response response = FakeGuest::answerTo(command);
    response.nr_entries = static_cast<uint16_t>(ranges.size());
    response.flags = more ? VIRTIO_CZONE_RESPONSE_F_MORE : 0;
    return guest.respond(response, ranges.data(), ranges.size() * sizeof(ranges[0]));
  }

  virtio_czone_ack listZones(const virtio_czone_command& command,
                             const std::vector<virtio_czone_zone>& zones, bool more = false) {
    virtio_czone_response response = FakeGuest::answerTo(command);
    response.nr_entries = static_cast<uint16_t>(zones.size());
    response.flags = more ? VIRTIO_CZONE_RESPONSE_F_MORE : 0;
    return guest.respond(response, zones.data(), zones.size() * sizeof(zones[0]));
  }

  virtio_czone_ack busy(const virtio_czone_command& command,
                        const std::vector<virtio_czone_pin>& pins, uint32_t pagesInUse) {
    virtio_czone_response response = FakeGuest::answerTo(command, VIRTIO_CZONE_BUSY);
    response.nr_pages_in_use = pagesInUse;
    response.nr_entries = static_cast<uint16_t>(pins.size());
    return guest.respond(response, pins.data(), pins.size() * sizeof(virtio_czone_pin));
  }

  /** The final answer to RESIZE. */
  virtio_czone_ack resized(const virtio_czone_command& command, uint64_t sizeBytes) {
    virtio_czone_response response = FakeGuest::answerTo(command);
    response.size = sizeBytes;
    return guest.respond(response);
  }

  /** Ranges that nobody asked for. */
  virtio_czone_ack ending(uint32_t zoneId, const std::vector<virtio_czone_range>& ranges) {
    virtio_czone_response response{};
    response.type = VIRTIO_CZONE_CMD_REPORT;
    response.flags = VIRTIO_CZONE_RESPONSE_F_MORE;
    response.zone_id = zoneId;
    response.nr_entries = static_cast<uint16_t>(ranges.size());
    return guest.respond(response, ranges.data(), ranges.size() * sizeof(ranges[0]));
  }

  Reply list(const std::vector<virtio_czone_zone>& zones) {
    uint64_t token = 0;
    CHECK_EQUAL(listZones(inGuest(CommandType::kList, 0, {}, &token), zones).result,
                VIRTIO_CZONE_OK);
    return recorder.reply(token);
  }
};

virtio_czone_zone entry(uint32_t id, Range range) {
  return {id, VIRTIO_CZONE_STATE_PLUGGED, range.addr, range.sizeBytes, range.sizeBytes, 0};
}

/** A zone of 16 MiB of addresses, 8 MiB of them its own. */
const Range kGrowing = Bench::zone(0, 8);
constexpr uint64_t kLimit = 16 * kMiB;

Command resizeTo(uint64_t sizeBytes) {
  return {CommandType::kResize, 1, {kGrowing.addr, sizeBytes}, 0};
}

Command unplugToZombie(Range range) {
  Command command{CommandType::kUnplug, 1, range};
  command.zombie = true;
  return command;
}

Command unplugWhole(Range range, uint64_t limitBytes) {
  Command command{CommandType::kUnplug, 1, range};
  command.limitBytes = limitBytes;
  return command;
}

virtio_czone_event eventOf(uint16_t type, uint32_t zoneId, uint64_t size, uint64_t value) {
  return {type, 0, zoneId, size, value};
}

}  // namespace

TEST(a_command_says_what_the_header_says) {
  Started bench;
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kPlug, 7, kZone, &token);
  CHECK(command.seq != 0);
  CHECK_EQUAL(command.type, VIRTIO_CZONE_CMD_PLUG);
  CHECK_EQUAL(command.flags, 0);
  CHECK_EQUAL(command.zone_id, 7u);
  CHECK_EQUAL(command.addr, kZone.addr);
  CHECK_EQUAL(command.size, kZone.sizeBytes);
  bench.guest.respond(FakeGuest::answerTo(command));
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kOk);
  CHECK_EQUAL(reply.guestNs, 1000u);
  CHECK(reply.roundTripNs > 0);
  CHECK_EQUAL(reply.residentBeforeBytes, -1);
}

TEST(an_unplug_returns_the_whole_zone_before_it_is_acknowledged) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, 3 * kMiB});
  bench.touch({kZone.addr + kZone.sizeBytes, 4096});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  const auto ack = bench.guest.respond(FakeGuest::answerTo(command));
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_OK);
  CHECK_EQUAL(ack.discarded, 3 * kMiB);
  CHECK_EQUAL(bench.allocated(kZone), 0u);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.residentBeforeBytes, static_cast<int64_t>(3 * kMiB));
  CHECK_EQUAL(reply.returnedBytes, 3 * kMiB);
  // The neighbour keeps what it has.
  CHECK_EQUAL(bench.allocated({kZone.addr + kZone.sizeBytes, kMiB}), 4096u);
}

TEST(what_a_guest_touches_during_an_unplug_goes_too) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  // The device counts after it has told the guest: wait until a later command is through.
  uint64_t later = 0;
  bench.guest.respond(FakeGuest::answerTo(bench.inGuest(CommandType::kList, 0, {}, &later)));
  bench.touch({kZone.addr + kMiB, kMiB});
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(command)).discarded, kMiB);
  CHECK_EQUAL(bench.allocated(kZone), 0u);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.residentBeforeBytes, static_cast<int64_t>(kMiB));
  CHECK_EQUAL(reply.returnedBytes, kMiB);
}

TEST(what_ending_processes_free_comes_back_unasked) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, 6 * kMiB});
  auto ack = bench.ending(1, {{kZone.addr, kMiB}, {kZone.addr + 2 * kMiB, kMiB}});
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_OK);
  CHECK_EQUAL(ack.discarded, 2 * kMiB);
  CHECK_EQUAL(bench.allocated(kZone), 4 * kMiB);

  // Counted once, also where the unplug has counted the zone before.
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  uint64_t later = 0;
  const auto list = bench.inGuest(CommandType::kList, 0, {}, &later);
  bench.guest.respond(FakeGuest::answerTo(list, VIRTIO_CZONE_ERROR));
  CHECK_EQUAL(bench.ending(1, {{kZone.addr + kMiB, kMiB}}).discarded, kMiB);
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(command)).discarded, 3 * kMiB);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.earlierBytes, 3 * kMiB);
  CHECK_EQUAL(reply.residentBeforeBytes, static_cast<int64_t>(3 * kMiB));
  CHECK_EQUAL(reply.returnedBytes, 3 * kMiB);
  CHECK_EQUAL(bench.allocated(kZone), 0u);

  // The next zone of this id begins anew.
  bench.plug(1, kZone);
  CHECK_EQUAL(bench.carryOut(CommandType::kUnplug, 1, kZone).earlierBytes, 0u);
}

TEST(what_comes_back_unasked_lies_in_its_zone) {
  Started bench;
  bench.plug(1, kZone, kLimit);
  const Range other = Bench::zone(16, 8);
  bench.plug(2, other);
  bench.touch(kZone);
  bench.touch(other);
  const std::vector<std::vector<virtio_czone_range>> wrong = {
      {{other.addr, kMiB}},
      {{kZone.addr, kMiB}, {kZone.addr + kLimit, 4096}},
      {{kZone.addr, kMiB}, {kZone.addr, kMiB}},
      {{kZone.addr, 4095}},
      {{kZone.addr + 1, 4096}},
      {{kZone.addr, 0}},
      {{kZone.addr, UINT64_MAX - 4095}},
      {{0, kMiB}},
  };
  for (const auto& ranges : wrong) {
    CHECK_EQUAL(bench.ending(1, ranges).result, VIRTIO_CZONE_INVALID);
    bench.recorder.event(EventKind::kViolation);
  }
  // None of the driver's faults: an earlier device may have plugged it.
  CHECK_EQUAL(bench.ending(3, {{kZone.addr, kMiB}}).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.ending(1, {}).result, VIRTIO_CZONE_OK);
  CHECK_EQUAL(bench.allocated(kZone), kZone.sizeBytes);
  CHECK_EQUAL(bench.allocated(other), other.sizeBytes);
  // It may have grown, and the answer is on its way.
  bench.touch({kZone.addr + kZone.sizeBytes, kMiB});
  CHECK_EQUAL(bench.ending(1, {{kZone.addr + kZone.sizeBytes, kMiB}}).discarded, kMiB);
}

TEST(nothing_else_comes_unasked) {
  Started bench;
  bench.plug(1, kZone);
  for (uint16_t type = VIRTIO_CZONE_CMD_PLUG; type <= VIRTIO_CZONE_CMD_RESIZE; type++) {
    for (const uint16_t flags : {0, VIRTIO_CZONE_RESPONSE_F_MORE}) {
      if (type == VIRTIO_CZONE_CMD_REPORT && flags != 0) continue;
      virtio_czone_response response{};
      response.type = type;
      response.flags = flags;
      response.zone_id = 1;
      CHECK_EQUAL(bench.guest.respond(response).result, VIRTIO_CZONE_INVALID);
      bench.recorder.event(EventKind::kViolation);
    }
  }
}

TEST(without_the_feature_nothing_comes_unasked) {
  Bench bench;
  bench.start(uint64_t{1} << VIRTIO_CZONE_F_ENDING);
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  virtio_czone_response response{};
  response.type = VIRTIO_CZONE_CMD_REPORT;
  response.flags = VIRTIO_CZONE_RESPONSE_F_MORE;
  response.zone_id = 1;
  response.nr_entries = 1;
  const virtio_czone_range range{kZone.addr, kMiB};
  CHECK_EQUAL(bench.guest.respond(response, &range, sizeof(range)).result, VIRTIO_CZONE_INVALID);
  bench.recorder.event(EventKind::kViolation);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
}

TEST(a_busy_unplug_returns_nothing) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  virtio_czone_response response = FakeGuest::answerTo(command, VIRTIO_CZONE_BUSY);
  response.nr_pages_in_use = 42;
  CHECK_EQUAL(bench.guest.respond(response).discarded, 0u);
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kBusy);
  CHECK_EQUAL(reply.pagesInUse, 42u);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
  CHECK(bench.carryOut(CommandType::kUnplug, 1, kZone).result == Result::kOk);
}

TEST(a_report_returns_the_ranges_that_it_names) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, 4 * kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kReport, 1, kZone, &token);
  auto ack = bench.report(command, {{kZone.addr, kMiB}, {kZone.addr + 5 * kMiB, kMiB}}, true);
  CHECK_EQUAL(ack.discarded, kMiB);
  CHECK(!bench.recorder.hasReply(token));
  ack = bench.report(command, {{kZone.addr + 2 * kMiB, kMiB}});
  CHECK_EQUAL(ack.discarded, kMiB);
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kOk);
  CHECK_EQUAL(reply.ranges, 3u);
  CHECK_EQUAL(reply.residentBeforeBytes, static_cast<int64_t>(4 * kMiB));
  CHECK_EQUAL(reply.returnedBytes, 2 * kMiB);
  CHECK_EQUAL(bench.allocated(kZone), 2 * kMiB);
}

TEST(a_report_of_a_range_outside_its_zone_is_refused_and_discards_nothing) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kRegionAddr, 16 * kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kReport, 1, kZone, &token);
  const auto ack =
      bench.report(command, {{kZone.addr, kMiB}, {kZone.addr + kZone.sizeBytes, kMiB}});
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(ack.discarded, 0u);
  CHECK(bench.recorder.reply(token).result == Result::kError);
  bench.recorder.event(EventKind::kViolation);
  CHECK_EQUAL(bench.allocated({kRegionAddr, 16 * kMiB}), 16 * kMiB);
}

TEST(after_a_refused_part_a_report_does_not_end_well) {
  Started bench;
  bench.plug(1, kZone);
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kReport, 1, kZone, &token);
  CHECK_EQUAL(bench.report(command, {{0, 4096}}, true).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.report(command, {}).result, VIRTIO_CZONE_OK);
  CHECK(bench.recorder.reply(token).result == Result::kError);
}

TEST(a_list_names_the_zones_of_all_its_parts) {
  Started bench;
  bench.plug(1, kZone);
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kList, 0, {}, &token);
  CHECK_EQUAL(command.zone_id, 0u);
  CHECK_EQUAL(bench.listZones(command, {entry(1, kZone)}, true).result, VIRTIO_CZONE_OK);
  CHECK_EQUAL(bench.listZones(command, {entry(2, Bench::zone(8, 8))}).result, VIRTIO_CZONE_OK);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.zones.size(), 2u);
  CHECK_EQUAL(reply.zones[1].zoneId, 2u);
  CHECK(reply.zones[1].range == Bench::zone(8, 8));
  // And the device knows them now.
  const uint64_t other = bench.give(CommandType::kPlug, 3, Bench::zone(8, 8));
  CHECK(!bench.recorder.reply(other).refusal.empty());
}

TEST(a_list_of_impossible_zones_is_refused) {
  Started bench;
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kList, 0, {}, &token);
  const auto ack = bench.listZones(command, {entry(1, kZone), entry(2, Bench::zone(4, 8))});
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_INVALID);
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kError);
  CHECK(reply.zones.empty());
}

TEST(responses_to_nothing_are_refused) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kReport, 1, kZone, &token);
  virtio_czone_response response = FakeGuest::answerTo(command);
  response.seq += 1;
  CHECK_EQUAL(bench.guest.respond(response).result, VIRTIO_CZONE_INVALID);
  response = FakeGuest::answerTo(command);
  response.zone_id = 2;
  CHECK_EQUAL(bench.guest.respond(response).result, VIRTIO_CZONE_INVALID);
  // A REPORT that is answered as an UNPLUG must not discard the zone.
  response = FakeGuest::answerTo(command);
  response.type = VIRTIO_CZONE_CMD_UNPLUG;
  CHECK_EQUAL(bench.guest.respond(response).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.guest.respondBytes({1, 2, 3}).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.recorder.count(EventKind::kViolation), 4u);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
  CHECK(!bench.recorder.hasReply(token));
  // The same answer twice: the second is one too many.
  CHECK_EQUAL(bench.report(command, {}).result, VIRTIO_CZONE_OK);
  CHECK(bench.recorder.reply(token).result == Result::kOk);
  CHECK_EQUAL(bench.report(command, {}).result, VIRTIO_CZONE_INVALID);
}

TEST(a_response_before_the_command_was_given_is_refused) {
  Started bench;
  // No buffer: the command waits. Its seq is easy to guess.
  const uint64_t token = bench.give(CommandType::kUnplug, 1, kZone);
  bench.touch({kZone.addr, kMiB});
  virtio_czone_command guessed{};
  guessed.seq = 1;
  guessed.type = VIRTIO_CZONE_CMD_UNPLUG;
  guessed.zone_id = 1;
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(guessed)).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
  CHECK(!bench.recorder.hasReply(token));
}

TEST(commands_wait_for_buffers_and_keep_their_order) {
  Started bench;
  const uint64_t first = bench.give(CommandType::kPlug, 1, kZone);
  const uint64_t second = bench.give(CommandType::kPlug, 2, Bench::zone(8, 8));
  bench.guest.offerCommandBuffer();
  const auto one = bench.guest.takeCommand();
  CHECK_EQUAL(one.zone_id, 1u);
  CHECK(!bench.guest.hasCommand());
  bench.guest.offerCommandBuffer();
  const auto two = bench.guest.takeCommand();
  CHECK_EQUAL(two.zone_id, 2u);
  CHECK(two.seq > one.seq);
  // Answers of different zones may come in any order.
  bench.guest.respond(FakeGuest::answerTo(two));
  CHECK(bench.recorder.reply(second).result == Result::kOk);
  bench.guest.respond(FakeGuest::answerTo(one));
  CHECK(bench.recorder.reply(first).result == Result::kOk);
}

TEST(a_command_without_an_answer_times_out) {
  Started bench;
  uint64_t token = 0;
  bench.inGuest(CommandType::kPlug, 1, kZone, &token, 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  // Where the guest never saw it, nothing is left of it.
  token = bench.give(CommandType::kPlug, 2, Bench::zone(8, 8), 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  bench.plug(3, Bench::zone(8, 8));
}

TEST(a_late_unplug_still_returns_the_zone) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token, 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  const auto ack = bench.guest.respond(FakeGuest::answerTo(command));
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_OK);
  CHECK_EQUAL(ack.discarded, kMiB);
  CHECK_EQUAL(bench.recorder.count(EventKind::kViolation), 0u);
  bench.plug(2, kZone);
}

TEST(a_late_unplug_does_not_touch_a_range_that_was_given_out_again) {
  Started bench;
  bench.plug(1, kZone);
  uint64_t token = 0;
  const auto unplug = bench.inGuest(CommandType::kUnplug, 1, kZone, &token, 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  CHECK(bench.list({}).result == Result::kOk);
  bench.plug(2, kZone);
  bench.touch({kZone.addr, kMiB});
  const auto ack = bench.guest.respond(FakeGuest::answerTo(unplug));
  CHECK_EQUAL(ack.discarded, 0u);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
}

TEST(ranges_of_a_late_report_are_refused) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kReport, 1, kZone, &token, 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  CHECK_EQUAL(bench.report(command, {{kZone.addr, kMiB}}).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
}

TEST(a_discard_wants_a_range_that_nobody_holds) {
  Started bench;
  bench.touch({kRegionAddr, 16 * kMiB});
  bench.plug(1, kZone);
  CHECK(!bench.backend.discard(kZone).refusal.empty());
  CHECK(!bench.backend.discard({kZone.addr + 4096, 4096}).refusal.empty());
  CHECK(!bench.backend.discard({kRegionAddr - 4096, 4096}).refusal.empty());
  CHECK(!bench.backend.discard({kRegionAddr + 1, 4096}).refusal.empty());
  CHECK_EQUAL(bench.allocated({kRegionAddr, 16 * kMiB}), 16 * kMiB);
  const Discarded discarded = bench.backend.discard(Bench::zone(8, 8));
  CHECK_EQUAL(discarded.refusal, std::string());
  CHECK_EQUAL(discarded.bytes, 8 * kMiB);
}

TEST(a_discard_waits_for_the_answer_to_a_plug) {
  Started bench;
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kPlug, 1, kZone, &token, 20);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  // The list was made before the plug took effect.
  CHECK(bench.list({}).result == Result::kOk);
  CHECK(!bench.backend.discard(kZone).refusal.empty());
  bench.guest.respond(FakeGuest::answerTo(command, VIRTIO_CZONE_NOMEM));
  CHECK(bench.list({}).result == Result::kOk);
  CHECK(bench.backend.discard(kZone).refusal.empty());
}

TEST(a_disconnect_in_the_middle_of_a_plug_ends_it_and_the_zone_is_known_after_a_list) {
  Started bench;
  uint64_t token = 0;
  bench.inGuest(CommandType::kPlug, 1, kZone, &token);
  bench.frontEnd.hangUp();
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  CHECK(bench.recorder.reply(bench.give(CommandType::kList, 0, {})).result ==
        Result::kDisconnected);
  bench.recorder.event(EventKind::kDisconnected);
  bench.frontEnd = FakeFrontEnd::connectTo(bench.directory.socketPath());
  bench.start();
  // The table survived: nobody else can have the range before the guest has been asked.
  CHECK(!bench.recorder.reply(bench.give(CommandType::kPlug, 2, kZone)).refusal.empty());
  CHECK_EQUAL(bench.list({entry(1, kZone)}).zones.size(), 1u);
  CHECK(bench.carryOut(CommandType::kUnplug, 1, kZone).result == Result::kOk);
}

TEST(an_answer_from_before_a_reconnect_is_refused) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  bench.reconnect();
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(command)).result, VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.allocated(kZone), kMiB);
}

TEST(buffers_that_can_not_hold_a_command_are_handed_back) {
  Started bench;
  const uint64_t token = bench.give(CommandType::kPlug, 1, kZone);
  FakeRing& ring = bench.guest.ring(0);
  ring.setDesc(0, 0x10000, sizeof(virtio_czone_command) - 1, VRING_DESC_F_WRITE);
  ring.offer(0);
  ring.setDesc(1, kRegionAddr, sizeof(virtio_czone_command), VRING_DESC_F_WRITE);
  ring.offer(1);
  ring.setDesc(2, 0x10000, sizeof(virtio_czone_command), 0);
  ring.offer(2);
  bench.guest.kick(0);
  for (int i = 0; i < 3; i++) bench.recorder.event(EventKind::kViolation);
  CHECK(!bench.recorder.hasReply(token));
}

TEST(a_broken_ring_ends_commands_until_the_driver_starts_over) {
  Started bench;
  uint64_t token = 0;
  bench.inGuest(CommandType::kPlug, 1, kZone, &token);
  bench.guest.ring(1).offer(FakeRing::kSize);
  bench.guest.kick(1);
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  CHECK(bench.recorder.event(EventKind::kDisconnected).find("response queue") != std::string::npos);
  bench.reconnect();
  CHECK(bench.list({}).result == Result::kOk);
}

TEST(a_driver_that_only_breaks_the_protocol_is_no_longer_served) {
  Started bench;
  const std::vector<uint8_t> garbage(40, 0xff);
  for (uint32_t i = 0; i < CzoneDevice::kMaxViolations - 1; i++) bench.guest.respondBytes(garbage);
  bench.guest.ring(1).offer(0);
  bench.guest.kick(1);
  bench.recorder.event(EventKind::kDisconnected);
  CHECK(bench.recorder.reply(bench.give(CommandType::kList, 0, {})).result ==
        Result::kDisconnected);
}

TEST(a_plug_with_a_limit_reserves_its_addresses) {
  Started bench;
  uint64_t token = 0;
  Command plug{CommandType::kPlug, 1, kGrowing};
  plug.limitBytes = kLimit;
  const auto command = bench.inGuest(plug, &token);
  CHECK_EQUAL(command.size, kGrowing.sizeBytes);
  CHECK_EQUAL(command.limit, kLimit);
  bench.guest.respond(FakeGuest::answerTo(command));
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kOk);
  CHECK_EQUAL(reply.sizeBytes, kGrowing.sizeBytes);
  // Above its size the zone has no memory, but nobody else can have the addresses.
  CHECK(
      !bench.recorder.reply(bench.give(CommandType::kPlug, 2, Bench::zone(8, 8))).refusal.empty());
  bench.plug(3, Bench::zone(16, 8));
}

TEST(a_plug_of_another_size_than_asked_for_is_refused) {
  Started bench;
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kPlug, 1, kZone, &token);
  CHECK_EQUAL(bench.resized(command, kZone.sizeBytes + 2 * kMiB).result, VIRTIO_CZONE_INVALID);
  CHECK(bench.recorder.reply(token).result == Result::kError);
}

TEST(a_zone_grows_and_is_then_known_by_its_new_size) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  uint64_t token = 0;
  const auto command = bench.inGuest(resizeTo(12 * kMiB), &token);
  CHECK_EQUAL(command.type, VIRTIO_CZONE_CMD_RESIZE);
  CHECK_EQUAL(command.size, 12 * kMiB);
  CHECK_EQUAL(command.limit, 0u);
  // While it is under way nobody knows the size that a command would have to name.
  CHECK(!bench.recorder.reply(bench.give(CommandType::kReport, 1, kGrowing)).refusal.empty());
  // The guest took less than it was offered.
  CHECK_EQUAL(bench.resized(command, 10 * kMiB).result, VIRTIO_CZONE_OK);
  const Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kOk);
  CHECK_EQUAL(reply.sizeBytes, 10 * kMiB);
  CHECK(!bench.recorder.reply(bench.give(CommandType::kReport, 1, kGrowing)).refusal.empty());
  CHECK(bench.carryOut(CommandType::kReport, 1, {kGrowing.addr, 10 * kMiB}).result == Result::kOk);
}

TEST(a_zone_does_not_grow_beyond_its_limit) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  CHECK(!bench.recorder.reply(bench.give(resizeTo(kLimit + 2 * kMiB))).refusal.empty());
  uint64_t token = 0;
  const auto command = bench.inGuest(resizeTo(12 * kMiB), &token);
  CHECK_EQUAL(bench.resized(command, kLimit).result, VIRTIO_CZONE_INVALID);
  CHECK(bench.recorder.reply(token).result == Result::kError);
}

TEST(a_shrink_returns_the_end_of_the_zone) {
  Started bench;
  bench.plug(1, {kGrowing.addr, kLimit});
  bench.touch({kGrowing.addr, kLimit});
  bench.touch({kGrowing.addr + kLimit, kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(resizeTo(8 * kMiB), &token);
  auto ack = bench.report(command, {{kGrowing.addr + 12 * kMiB, 4 * kMiB}}, true);
  CHECK_EQUAL(ack.discarded, 4 * kMiB);
  // A page of the memmap, which lies at the start of the zone.
  ack = bench.report(command, {{kGrowing.addr + 8 * 4096, 4096}}, true);
  CHECK_EQUAL(ack.discarded, 4096u);
  ack = bench.resized(command, 10 * kMiB);
  CHECK_EQUAL(ack.result, VIRTIO_CZONE_OK);
  // What was not named but is no longer of the zone goes too.
  CHECK_EQUAL(ack.discarded, 2 * kMiB);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.sizeBytes, 10 * kMiB);
  CHECK_EQUAL(reply.returnedBytes, 6 * kMiB + 4096);
  CHECK_EQUAL(bench.allocated({kGrowing.addr, kLimit}), 10 * kMiB - 4096);
  CHECK_EQUAL(bench.allocated({kGrowing.addr + kLimit, kMiB}), kMiB);
}

TEST(a_shrink_returns_nothing_of_what_the_zone_keeps) {
  Started bench;
  bench.plug(1, {kGrowing.addr, kLimit});
  bench.touch({kGrowing.addr, kLimit});
  uint64_t token = 0;
  const auto command = bench.inGuest(resizeTo(8 * kMiB), &token);
  CHECK_EQUAL(bench.report(command, {{kGrowing.addr + 4 * kMiB, kMiB}}, true).result,
              VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.report(command, {{kGrowing.addr + 7 * kMiB, 2 * kMiB}}, true).result,
              VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.report(command, {{kGrowing.addr + kLimit, 4096}}, true).result,
              VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.resized(command, 6 * kMiB).result, VIRTIO_CZONE_INVALID);
  CHECK(bench.recorder.reply(token).result == Result::kError);
  CHECK_EQUAL(bench.allocated({kGrowing.addr, kLimit}), kLimit);
}

TEST(a_zone_that_grows_lets_nothing_go) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  bench.touch(kGrowing);
  uint64_t token = 0;
  const auto command = bench.inGuest(resizeTo(12 * kMiB), &token);
  CHECK_EQUAL(bench.report(command, {{kGrowing.addr, 4096}}, true).result, VIRTIO_CZONE_INVALID);
  bench.resized(command, 12 * kMiB);
  CHECK(bench.recorder.reply(token).result == Result::kError);
  CHECK_EQUAL(bench.allocated(kGrowing), kGrowing.sizeBytes);
}

TEST(a_resize_without_an_answer_leaves_the_size_to_a_list) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  uint64_t token = 0;
  Command resize = resizeTo(12 * kMiB);
  resize.timeoutNs = 20'000'000;
  const auto command = bench.inGuest(resize, &token);
  CHECK(bench.recorder.reply(token).result == Result::kTimeout);
  virtio_czone_zone zone = entry(1, kGrowing);
  zone.limit = kLimit;
  // A list made before it took effect tells nothing.
  CHECK(bench.list({zone}).result == Result::kOk);
  CHECK(!bench.recorder.reply(bench.give(resizeTo(14 * kMiB))).refusal.empty());
  CHECK_EQUAL(bench.resized(command, 12 * kMiB).result, VIRTIO_CZONE_OK);
  CHECK(bench.carryOut(CommandType::kReport, 1, {kGrowing.addr, 12 * kMiB}).result == Result::kOk);
}

TEST(a_list_after_a_reconnect_tells_size_and_limit) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  uint64_t token = 0;
  bench.inGuest(resizeTo(12 * kMiB), &token);
  bench.reconnect();
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  virtio_czone_zone zone = entry(1, {kGrowing.addr, 12 * kMiB});
  zone.limit = kLimit;
  zone.state = VIRTIO_CZONE_STATE_ZOMBIE;
  const Reply reply = bench.list({zone});
  CHECK_EQUAL(reply.zones[0].limitBytes, kLimit);
  CHECK_EQUAL(reply.zones[0].state, uint32_t{VIRTIO_CZONE_STATE_ZOMBIE});
  const Command unplug = unplugWhole({kGrowing.addr, 12 * kMiB}, kLimit);
  bench.guest.respond(FakeGuest::answerTo(bench.inGuest(unplug, &token)));
  CHECK(bench.recorder.reply(token).result == Result::kOk);
  bench.plug(2, Bench::zone(8, 8));
}

TEST(an_unplug_returns_what_the_guest_left_above_the_size) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  bench.touch({kGrowing.addr, kLimit});
  uint64_t token = 0;
  const auto command = bench.inGuest(unplugWhole(kGrowing, kLimit), &token);
  CHECK_EQUAL(command.limit, 0u);
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(command)).discarded, kLimit);
  CHECK_EQUAL(bench.recorder.reply(token).residentBeforeBytes, static_cast<int64_t>(kLimit));
  CHECK_EQUAL(bench.allocated({kGrowing.addr, kLimit}), 0u);
}

TEST(an_unplug_returns_free_ranges_early) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch({kZone.addr, 4 * kMiB});
  uint64_t token = 0;
  const auto command = bench.inGuest(CommandType::kUnplug, 1, kZone, &token);
  CHECK_EQUAL(bench.report(command, {{kZone.addr + kMiB, 2 * kMiB}}, true).discarded, 2 * kMiB);
  CHECK(!bench.recorder.hasReply(token));
  CHECK_EQUAL(bench.report(command, {{kZone.addr + kZone.sizeBytes, 4096}}, true).result,
              VIRTIO_CZONE_INVALID);
  CHECK_EQUAL(bench.allocated(kZone), 2 * kMiB);
  CHECK_EQUAL(bench.guest.respond(FakeGuest::answerTo(command)).discarded, 2 * kMiB);
  const Reply reply = bench.recorder.reply(token);
  CHECK_EQUAL(reply.residentBeforeBytes, static_cast<int64_t>(4 * kMiB));
  CHECK_EQUAL(reply.returnedBytes, 4 * kMiB);
}

TEST(a_zombie_returns_what_is_free_and_names_what_is_pinned) {
  Started bench;
  bench.plug(1, kZone);
  bench.touch(kZone);
  uint64_t token = 0;
  auto command = bench.inGuest(unplugToZombie(kZone), &token);
  CHECK_EQUAL(command.flags, VIRTIO_CZONE_COMMAND_F_ZOMBIE);
  const Range pinned{kZone.addr + kMiB, 8192};
  bench.report(command,
               {{kZone.addr, kMiB}, {pinned.addr + pinned.sizeBytes, 7 * kMiB - pinned.sizeBytes}},
               true);
  bench.busy(command, {{pinned.addr, pinned.sizeBytes, VIRTIO_CZONE_PIN_REFERENCE, 3}}, 2);
  Reply reply = bench.recorder.reply(token);
  CHECK(reply.result == Result::kBusy);
  CHECK_EQUAL(reply.pagesInUse, 2u);
  CHECK_EQUAL(reply.pins.size(), 1u);
  CHECK(reply.pins[0].range == pinned);
  CHECK_EQUAL(reply.pins[0].reason, uint32_t{VIRTIO_CZONE_PIN_REFERENCE});
  CHECK_EQUAL(reply.pins[0].references, 3u);
  CHECK_EQUAL(reply.returnedBytes, 8 * kMiB - 8192);
  CHECK_EQUAL(bench.allocated(kZone), 8192u);
  bench.guest.tell(eventOf(VIRTIO_CZONE_EVENT_RELEASED, 1, kZone.sizeBytes, 0));
  const GuestEvent event = bench.recorder.guestEvent();
  CHECK(event.kind == GuestEvent::Kind::kReleased);
  CHECK_EQUAL(event.zoneId, 1u);
  command = bench.inGuest(unplugToZombie(kZone), &token);
  bench.guest.respond(FakeGuest::answerTo(command));
  CHECK_EQUAL(bench.recorder.reply(token).returnedBytes, 8192u);
  CHECK_EQUAL(bench.allocated(kZone), 0u);
}

TEST(pins_outside_the_zone_or_without_a_zombie_are_refused) {
  for (const bool zombie : {false, true}) {
    Started bench;
    bench.plug(1, kZone);
    uint64_t token = 0;
    Command unplug = unplugToZombie(kZone);
    unplug.zombie = zombie;
    const auto command = bench.inGuest(unplug, &token);
    const uint64_t addr = zombie ? kZone.addr + kZone.sizeBytes : kZone.addr;
    const auto ack = bench.busy(command, {{addr, 4096, VIRTIO_CZONE_PIN_UNKNOWN, 1}}, 1);
    CHECK_EQUAL(ack.result, VIRTIO_CZONE_INVALID);
    CHECK(bench.recorder.reply(token).result == Result::kError);
  }
}

TEST(a_zone_that_wants_more_is_told_of_once_with_what_it_wants_last) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  bench.guest.tell(eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 10 * kMiB));
  GuestEvent event = bench.recorder.guestEvent();
  CHECK(event.kind == GuestEvent::Kind::kWant);
  CHECK_EQUAL(event.sizeBytes, 8 * kMiB);
  CHECK_EQUAL(event.value, 10 * kMiB);
  // However fast they come, the last one is told.
  for (uint64_t i = 0; i < 200; i++) {
    bench.guest.tell(eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, (10 + 2 * (i % 3)) * kMiB));
  }
  bench.guest.tell(eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 16 * kMiB));
  do {
    event = bench.recorder.guestEvent();
  } while (event.value != 16 * kMiB);
  CHECK_EQUAL(bench.recorder.count(EventKind::kViolation), 0u);
}

TEST(events_that_make_no_sense_are_refused) {
  Started bench;
  bench.plug(1, kGrowing, kLimit);
  const virtio_czone_event wrong[] = {
      eventOf(0, 1, 8 * kMiB, 10 * kMiB),
      eventOf(3, 1, 8 * kMiB, 10 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 0, 8 * kMiB, 10 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 301, 8 * kMiB, 10 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 8 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 9 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 18 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 2, 8 * kMiB, 1024 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 0, 10 * kMiB),
      eventOf(VIRTIO_CZONE_EVENT_RELEASED, 1, 8 * kMiB, 2049),
  };
  for (const auto& event : wrong) bench.guest.tell(event);
  bench.guest.tellBytes({1, 0, 0, 0});
  for (size_t i = 0; i < std::size(wrong) + 1; i++) bench.recorder.event(EventKind::kViolation);
  CHECK_EQUAL(bench.recorder.guestEventCount(), 0u);
}

TEST(a_driver_of_fewer_features_is_asked_for_no_more) {
  Bench bench;
  const uint64_t report = uint64_t{1} << VIRTIO_CZONE_F_REPORT;
  bench.start(CzoneDevice::kFeatures & ~report);
  CHECK_EQUAL(bench.recorder.features(), report);
  bench.plug(1, kZone);
  Command plug{CommandType::kPlug, 2, Bench::zone(8, 8)};
  plug.limitBytes = kLimit;
  for (const Command& command : {resizeTo(8 * kMiB), unplugToZombie(kZone), plug}) {
    CHECK(bench.recorder.reply(bench.give(command)).result == Result::kUnsupported);
  }
  bench.guest.tell(eventOf(VIRTIO_CZONE_EVENT_WANT, 1, 8 * kMiB, 10 * kMiB));
  bench.recorder.event(EventKind::kViolation);
  CHECK(bench.carryOut(CommandType::kReport, 1, kZone).result == Result::kOk);
  CHECK(bench.carryOut(CommandType::kUnplug, 1, kZone).result == Result::kOk);
  bench.reconnect();
  CHECK_EQUAL(bench.recorder.features(), CzoneDevice::kFeatures);
}

}  // namespace czone::test
