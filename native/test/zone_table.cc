// SPDX-License-Identifier: Apache-2.0
#include "czone_device/zone_table.h"

#include "test/check.h"
#include "test/test_memory.h"

namespace czone::test {
namespace {

Range range(uint64_t offsetMiB, uint64_t sizeMiB) {
  return {kRegionAddr + offsetMiB * kMiB, sizeMiB * kMiB};
}

Command command(CommandType type, uint32_t zoneId, Range of) { return {type, zoneId, of, 0}; }

/** A table with zone 1 plugged at [0, 8) MiB by the command of seq 1. */
ZoneTable pluggedTable() {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kOk, true);
  return table;
}

GuestZone listed(uint32_t id, Range of) { return {id, VIRTIO_CZONE_STATE_PLUGGED, of, 0}; }

}  // namespace

TEST(a_zone_is_plugged_and_unplugged) {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  CHECK(table.find(1)->state == ZoneState::kPlugging);
  table.end(plug, Result::kOk, true);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  CHECK(table.find(1)->state == ZoneState::kUnplugging);
  table.end(unplug, Result::kBusy, true);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
  CHECK(!table.begin(unplug, 3));
  table.end(unplug, Result::kOk, true);
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
    table.end(plug, result, true);
    CHECK(table.find(1) == nullptr);
  }
  for (const Result result : {Result::kTimeout, Result::kDisconnected, Result::kExists}) {
    ZoneTable table;
    CHECK(!table.begin(plug, 1));
    table.end(plug, result, true);
    CHECK(table.find(1)->state == ZoneState::kUnknown);
  }
  ZoneTable table;
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kTimeout, false);
  CHECK(table.find(1) == nullptr);
}

TEST(a_list_decides_what_is_unknown) {
  ZoneTable table = pluggedTable();
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  table.end(unplug, Result::kTimeout, true);
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
  table.end(unplug, Result::kDisconnected, true);
  CHECK(table.forget(range(0, 4)).has_value());
  CHECK(!table.forget(range(0, 8)));
  CHECK_EQUAL(table.size(), 0u);
}

TEST(a_late_unplug_counts_unless_the_zone_was_plugged_again) {
  ZoneTable table = pluggedTable();
  const Command unplug = command(CommandType::kUnplug, 1, range(0, 8));
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(unplug, 2));
  table.end(unplug, Result::kTimeout, true);
  CHECK(table.lateUnplugCounts(unplug, 2));
  // LIST showed that it is gone, and the range was given out again.
  table.adopt({}, {});
  CHECK(!table.lateUnplugCounts(unplug, 2));
  CHECK(!table.begin(plug, 3));
  table.end(plug, Result::kOk, true);
  CHECK(!table.lateUnplugCounts(unplug, 2));
  table.endLate(unplug, 2, Result::kOk);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
}

TEST(a_late_plug_makes_the_zone_known) {
  ZoneTable table;
  const Command plug = command(CommandType::kPlug, 1, range(0, 8));
  CHECK(!table.begin(plug, 1));
  table.end(plug, Result::kTimeout, true);
  table.endLate(plug, 1, Result::kOk);
  CHECK(table.find(1)->state == ZoneState::kPlugged);
}

}  // namespace czone::test
