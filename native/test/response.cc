// SPDX-License-Identifier: Apache-2.0
#include "czone_device/response.h"

#include <cstring>

#include "test/check.h"
#include "test/test_memory.h"

namespace czone::test {
namespace {

virtio_czone_response header(uint16_t type, uint16_t result, uint16_t entries = 0) {
  virtio_czone_response response{};
  response.seq = 5;
  response.type = type;
  response.result = result;
  response.nr_entries = entries;
  response.zone_id = 1;
  return response;
}

bool parses(const virtio_czone_response& response, size_t behind = 0) {
  std::vector<uint8_t> bytes(sizeof(response) + behind);
  std::memcpy(bytes.data(), &response, sizeof(response));
  std::string problem;
  const bool parsed = parseResponse(bytes.data(), bytes.size(), &problem).has_value();
  CHECK_EQUAL(parsed, problem.empty());
  return parsed;
}

GuestZone zone(uint32_t id, uint64_t offsetMiB, uint64_t sizeMiB) {
  return {id,
          VIRTIO_CZONE_STATE_PLUGGED,
          {kRegionAddr + offsetMiB * kMiB, sizeMiB * kMiB},
          0,
          sizeMiB * kMiB};
}

}  // namespace

TEST(the_length_has_to_fit_the_entries) {
  std::string problem;
  const uint8_t bytes[40] = {};
  for (size_t size = 0; size < 40; size++) CHECK(!parseResponse(bytes, size, &problem));
  CHECK(parses(header(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_OK, 3), 48));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_OK, 3), 47));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_OK, 3), 49));
  CHECK(parses(header(VIRTIO_CZONE_CMD_LIST, VIRTIO_CZONE_OK, 2), 80));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_PLUG, VIRTIO_CZONE_OK, 1), 16));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_OK, 256), 256 * 16));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_LIST, VIRTIO_CZONE_OK, 101), 101 * 40));
}

TEST(a_result_has_to_fit_the_command) {
  for (const uint16_t type : {0, 6, 0xffff}) CHECK(!parses(header(type, VIRTIO_CZONE_OK)));
  CHECK(parses(header(VIRTIO_CZONE_CMD_PLUG, VIRTIO_CZONE_EXISTS)));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_PLUG, VIRTIO_CZONE_BUSY)));
  CHECK(parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_BUSY)));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_EXISTS)));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_LIST, VIRTIO_CZONE_NOENT)));
  for (const uint16_t result : {8, 15, 16, 31, 0xffff}) {
    CHECK(!parses(header(VIRTIO_CZONE_CMD_PLUG, result)));
  }
}

TEST(more_follows_only_what_went_well_and_can_have_more) {
  const auto withMore = [](uint16_t type, uint16_t result) {
    virtio_czone_response response = header(type, result);
    response.flags = VIRTIO_CZONE_RESPONSE_F_MORE;
    return parses(response);
  };
  CHECK(withMore(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_OK));
  CHECK(withMore(VIRTIO_CZONE_CMD_LIST, VIRTIO_CZONE_OK));
  CHECK(withMore(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_OK));
  CHECK(withMore(VIRTIO_CZONE_CMD_RESIZE, VIRTIO_CZONE_OK));
  CHECK(!withMore(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_BUSY));
  CHECK(!withMore(VIRTIO_CZONE_CMD_REPORT, VIRTIO_CZONE_BUSY));
  CHECK(!withMore(VIRTIO_CZONE_CMD_PLUG, VIRTIO_CZONE_OK));
  virtio_czone_response unknown = header(VIRTIO_CZONE_CMD_LIST, VIRTIO_CZONE_OK);
  unknown.flags = 0x8000;
  CHECK(!parses(unknown));
}

TEST(ranges_have_to_lie_apart_and_inside_the_zone) {
  const Range inside{kRegionAddr, 4 * kMiB};
  const auto good = [&](std::vector<Range> ranges) {
    return !checkRanges(ranges, {inside}).has_value();
  };
  CHECK(good({}));
  CHECK(good({inside}));
  CHECK(good({{kRegionAddr + 8192, 4096}, {kRegionAddr, 4096}}));
  CHECK(!good({{kRegionAddr, 0}}));
  CHECK(!good({{kRegionAddr + 1, 4096}}));
  CHECK(!good({{kRegionAddr, 4095}}));
  CHECK(!good({{kRegionAddr - 4096, 8192}}));
  CHECK(!good({{kRegionAddr + 4 * kMiB - 4096, 8192}}));
  CHECK(!good({{kRegionAddr + 4096, UINT64_MAX - 4095}}));
  CHECK(!good({{UINT64_MAX - 4095, 4096}}));
  CHECK(!good({{kRegionAddr, 8192}, {kRegionAddr + 4096, 4096}}));
  CHECK(!good({{kRegionAddr, 4096}, {kRegionAddr, 4096}}));
}

TEST(ranges_have_to_lie_as_a_whole_in_one_of_several_parts) {
  const std::vector<Range> parts{{kRegionAddr, 8192}, {kRegionAddr + kMiB, kMiB}};
  CHECK(!checkRanges({{kRegionAddr + 4096, 4096}, {kRegionAddr + kMiB, kMiB}}, parts));
  CHECK(checkRanges({{kRegionAddr + 4096, 8192}}, parts).has_value());
  CHECK(checkRanges({{kRegionAddr, 2 * kMiB}}, parts).has_value());
  CHECK(checkRanges({{kRegionAddr, 4096}}, {}).has_value());
}

TEST(pins_stand_only_behind_a_busy_unplug) {
  CHECK(parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_BUSY, 64), 64 * 24));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_BUSY, 65), 65 * 24));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_BUSY, 1), 16));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_OK, 1), 24));
  CHECK(!parses(header(VIRTIO_CZONE_CMD_RESIZE, VIRTIO_CZONE_BUSY, 1), 24));
  virtio_czone_response early = header(VIRTIO_CZONE_CMD_UNPLUG, VIRTIO_CZONE_OK, 255);
  CHECK(!parses(early, 255 * 16));
  early.flags = VIRTIO_CZONE_RESPONSE_F_MORE;
  CHECK(parses(early, 255 * 16));
}

TEST(the_memmap_takes_whole_blocks_at_the_start) {
  CHECK((memmapOf(kRegionAddr, 128 * kMiB, 2 * kMiB) == Range{kRegionAddr, 2 * kMiB}));
  CHECK((memmapOf(kRegionAddr, 130 * kMiB, 2 * kMiB) == Range{kRegionAddr, 4 * kMiB}));
}

TEST(listed_zones_have_to_be_possible) {
  const DeviceConfig config = deviceConfig();
  const auto good = [&](std::vector<GuestZone> zones, std::vector<GuestZone> before = {}) {
    return !checkZones(zones, before, config).has_value();
  };
  CHECK(good({zone(1, 0, 4), zone(2, 4, 60)}));
  CHECK(!good({zone(0, 0, 4)}));
  CHECK(!good({zone(301, 0, 4)}));
  CHECK(!good({zone(1, 0, 2)}));
  CHECK(!good({zone(1, 1, 4)}));
  CHECK(!good({zone(1, 62, 4)}));
  CHECK(!good({zone(1, 0, 4), zone(1, 4, 4)}));
  CHECK(!good({zone(1, 0, 4), zone(2, 2, 4)}));
  CHECK(!good({zone(1, 0, 4)}, {zone(2, 2, 4)}));
  GuestZone odd = zone(1, 0, 4);
  odd.state = 0;
  CHECK(!good({odd}));
  odd.state = VIRTIO_CZONE_STATE_ZOMBIE;
  CHECK(good({odd}));
  odd.state = 5;
  CHECK(!good({odd}));
  odd = zone(1, 0, 4);
  odd.limitBytes = 2 * kMiB;
  CHECK(!good({odd}));
  odd.limitBytes = 5 * kMiB;
  CHECK(!good({odd}));
  odd.limitBytes = kRegionBytes + 2 * kMiB;
  CHECK(!good({odd}));
  odd.limitBytes = 8 * kMiB;
  CHECK(good({odd, zone(2, 8, 4)}));
  CHECK(!good({odd, zone(2, 4, 4)}));
  odd = zone(1, 0, 4);
  odd.freeBytes = 5 * kMiB;
  CHECK(!good({odd}));
}

TEST(a_config_has_to_be_possible) {
  const auto good = [](uint64_t addr, uint64_t size, uint32_t block, uint32_t zones) {
    return !checkConfig({{addr, size}, block, zones}).has_value();
  };
  CHECK(good(kRegionAddr, kRegionBytes, 2 * kMiB, 4095));
  CHECK(!good(kRegionAddr, 0, 2 * kMiB, 1));
  CHECK(!good(kRegionAddr + 4096, kRegionBytes, 2 * kMiB, 1));
  CHECK(!good(kRegionAddr, kRegionBytes + 4096, 2 * kMiB, 1));
  CHECK(!good(kRegionAddr, kRegionBytes, kMiB, 1));
  CHECK(!good(kRegionAddr, kRegionBytes, 3 * kMiB, 1));
  CHECK(!good(kRegionAddr, kRegionBytes, 2 * kMiB, 0));
  CHECK(!good(kRegionAddr, kRegionBytes, 2 * kMiB, 4096));
  CHECK(!good(UINT64_MAX - 2 * kMiB + 1, 4 * kMiB, 2 * kMiB, 1));
}

}  // namespace czone::test
