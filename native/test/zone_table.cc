// SPDX-License-Identifier: Apache-2.0
#include "czone_device/zone_table.h"

#include "test/check.h"
#include "test/test_memory.h"

namespace czone::test {
namespace {

Range range(uint64_t offsetMiB, uint64_t sizeMiB) {
  return {kRegionAddr + offsetMiB * kMiB, sizeMiB * kMiB};
}

Command command(CommandType type, uint32_t zoneId, Range of) {
  Command made{type, zoneId, of, 0};
  if (type == CommandType::kPlug || type == CommandType::kUnplug) made.limitBytes = of.sizeBytes;
  return made;
}

/** A table with zone 1 plugged at [0, 8) MiB by the command of seq 1. */
ZoneTable pluggedTable() {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kOk, true, 0);
  return table;
}

GuestZone listed(uint32_t id, Range of) {
  return {id, VIRTIO_CZONE_STATE_PLUGGED, of, 0, of.sizeBytes};
}

}  // namespace

TEST(a_zone_is_plugged_and_unplugged) {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  CHECK(table.find(1)->state == ZoneState::kPlugging);
  table.end(plug, Result::kOk, true, 0);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  CHECK(table.find(1)->state == ZoneState::kUnplugging);
  table.end(unplug, Result::kBusy, true, 0);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK(!table.begin(unplug, 3));
  table.end(unplug, Result::kOk, true, 0);
  CHECK(table.find(1) == nullptr);
}

TEST(commands_that_contradict_the_table_are_refused) {
  ZoneTable table = pluggedTable();
  CHECK(table.begin(command(CommandType::kPlug, 1, range(0, 8)), 2).has_value());
  CHECK(table.begin(command(CommandType::kPlug, 1, range(8, 8)), 2).has_value());
  CHECK(table.begin(command(CommandType::kPlug, 2, range(4, 8)), 2).has_value());
  CHECK(table.begin(command(CommandType::kUnplug, 1, range(0, 4)), 2).has_value());
  CHECK(table.begin(command(CommandType::kUnplug, 2, range(0, 8)), 2).has_value());
  CHECK(table.begin(command(CommandType::kReport, 1, range(0, 4)), 2).has_value());
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK_EQUAL(table.size(), 1u);
  CHECK(!table.begin(command(CommandType::kPlug, 2, range(8, 8)), 2));
}

TEST(a_refused_plug_leaves_nothing_and_a_lost_one_is_unknown) {
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  for (const Result result : {Result::kInvalid, Result::kNoMemory, Result::kUnsupported}) {
    ZoneTable table;
    CHECK(!table.begin(plug, 1));
    table.end(plug, result, true, 0);
    CHECK(table.find(1) == nullptr);
  }
  for (const Result result : {Result::kTimeout, Result::kDisconnected, Result::kExists}) {
    ZoneTable table;
    CHECK(!table.begin(plug, 1));
    table.end(plug, result, true, 0);
    CHECK(table.find(1)->state == ZoneState::kUnknown);
  }
  ZoneTable table;
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kTimeout, false, 0);
  CHECK(table.find(1) == nullptr);
}

TEST(a_list_decides_what_is_unknown) {
  ZoneTable table = pluggedTable();
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  table.end(unplug, Result::kTimeout, true, 0);
  CHECK(table.find(1)->state == ZoneState::kUnknown);
  table.adopt({listed(1, range(0, 8)), listed(2, range(8, 8))}, {});
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK(table.find(2)->state == ZoneState::kPlugged);
  table.adopt({listed(2, range(8, 8))}, {});
  CHECK(table.find(1) == nullptr);
  CHECK_EQUAL(table.size(), 1u);
}

TEST(a_list_leaves_zones_alone_that_have_commands_under_way) {
  ZoneTable table;
  CHECK(!table.begin(command(CommandType::kPlug, 1, range(0, 8)), 1));
  table.adopt({listed(3, range(0, 4))}, {1});
  CHECK(table.find(1)->state == ZoneState::kPlugging);
  CHECK(table.find(3) == nullptr);
}

TEST(only_what_is_unknown_or_not_there_can_be_forgotten) {
  ZoneTable table = pluggedTable();
  CHECK(table.forget(range(0, 8)).has_value());
  CHECK(table.forget(range(4, 8)).has_value());
  CHECK(!table.forget(range(8, 8)));
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  CHECK(table.forget(range(0, 8)).has_value());
  table.end(unplug, Result::kDisconnected, true, 0);
  CHECK(table.forget(range(0, 4)).has_value());
  CHECK(!table.forget(range(0, 8)));
  CHECK_EQUAL(table.size(), 0u);
}

TEST(a_late_unplug_counts_unless_the_zone_was_plugged_again) {
  ZoneTable table = pluggedTable();
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  table.end(unplug, Result::kTimeout, true, 0);
  CHECK(table.lateUnplugCounts(unplug, 2));
  // LIST showed that it is gone, and the range was given out again.
  table.adopt({}, {});
  CHECK(!table.lateUnplugCounts(unplug, 2));
  CHECK(!table.begin(plug, 3));
  table.end(plug, Result::kOk, true, 0);
  CHECK(!table.lateUnplugCounts(unplug, 2));
  table.endLate(unplug, 2, Result::kOk, 0);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
}

TEST(a_late_plug_makes_the_zone_known) {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kTimeout, true, 0);
  table.endLate(plug, 1, Result::kOk, 0);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
}

TEST(a_zone_holds_the_addresses_up_to_its_limit) {
  ZoneTable table;
  Command plug = command(CommandType::kPlug, 1, range(0, 8));
  plug.limitBytes = 16 * kMiB;
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kOk, true, 0);
  CHECK(table.begin(command(CommandType::kPlug, 2, range(8, 8)), 2).has_value());
  CHECK(table.begin(command(CommandType::kReport, 2, range(12, 8)), 2).has_value());
  CHECK(table.forget(range(8, 8)).has_value());
  CHECK(!table.begin(command(CommandType::kPlug, 2, range(16, 8)), 2));
}

TEST(a_resize_moves_the_size_between_nothing_known_and_what_was_answered) {
  ZoneTable table;
  Command plug = command(CommandType::kPlug, 1, range(0, 8));
  plug.limitBytes = 16 * kMiB;
  const Command grow = command(CommandType::kResize, 1, range(0, 12));
  CHECK(table.begin(grow, 1).has_value());
  CHECK(!table.begin(plug, 1));
  CHECK(table.begin(grow, 2).has_value());
  table.end(plug, Result::kOk, true, 0);
  CHECK(table.begin(command(CommandType::kResize, 1, range(0, 18)), 2).has_value());
  CHECK(!table.begin(grow, 2));
  CHECK(table.begin(grow, 3).has_value());
  CHECK(table.begin(command(CommandType::kUnplug, 1, range(0, 8)), 3).has_value());
  table.end(grow, Result::kOk, true, 10 * kMiB);
  CHECK(table.find(1)->range == range(0, 10));
  CHECK(!table.begin(grow, 3));
  table.end(grow, Result::kNoMemory, true, 0);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK(table.find(1)->range == range(0, 10));
  CHECK(!table.begin(grow, 4));
  table.end(grow, Result::kTimeout, true, 0);
  CHECK(table.find(1)->state == ZoneState::kUnknown);
  GuestZone now = listed(1, range(0, 12));
  now.limitBytes = 16 * kMiB;
  table.adopt({now}, {1});
  CHECK(table.find(1)->state == ZoneState::kUnknown);
  table.adopt({now}, {});
  CHECK(table.find(1)->range == range(0, 12));
  Command unplug = command(CommandType::kUnplug, 1, range(0, 12));
  CHECK(table.begin(unplug, 5).has_value());
  unplug.limitBytes = 16 * kMiB;
  CHECK(!table.begin(unplug, 5));
}

TEST(a_late_resize_tells_the_size) {
  ZoneTable table = pluggedTable();
  const Command shrink = command(CommandType::kResize, 1, range(0, 4));
  CHECK(!table.begin(shrink, 2));
  table.end(shrink, Result::kTimeout, true, 0);
  table.endLate(shrink, 2, Result::kOk, 10 * kMiB);
  CHECK(table.find(1)->state == ZoneState::kUnknown);
  table.endLate(shrink, 2, Result::kOk, 6 * kMiB);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK(table.find(1)->range == range(0, 6));
}

}  // namespace czone::test
