// SPDX-License-Identifier: Apache-2.0
// A response of the driver: its bytes, checked for everything that can be
// checked without knowing the command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "czone_device/command.h"
#include "czone_device/device_config.h"

namespace czone {

constexpr size_t kMaxResponseBytes =
    sizeof(virtio_czone_response) + VIRTIO_CZONE_RANGES_MAX * sizeof(virtio_czone_range);
static_assert(sizeof(virtio_czone_response) == 32);
static_assert(sizeof(virtio_czone_zone) == 32);
static_assert(VIRTIO_CZONE_ZONES_MAX * sizeof(virtio_czone_zone) <=
              VIRTIO_CZONE_RANGES_MAX * sizeof(virtio_czone_range));

struct Response {
  uint64_t seq = 0;
  CommandType type = CommandType::kList;
  Result result = Result::kOk;
  bool more = false;
  uint32_t zoneId = 0;
  uint32_t pagesInUse = 0;
  uint64_t guestNs = 0;
  std::vector<Range> ranges;
  std::vector<GuestZone> zones;
};

/** The response, or what is wrong with it in `problem`. Any bytes may be given. */
std::optional<Response> parseResponse(const uint8_t* bytes, size_t sizeBytes, std::string* problem);

/**
 * Why these are no ranges that a REPORT of `zone` can name, or nothing: page-aligned,
 * inside the zone, not overlapping each other.
 */
std::optional<std::string> checkRanges(const std::vector<Range>& ranges, const Range& zone);

/** Why the guest can't have these zones, together with those it has named before, or nothing. */
std::optional<std::string> checkZones(const std::vector<GuestZone>& zones,
                                      const std::vector<GuestZone>& before,
                                      const DeviceConfig& config);

}  // namespace czone
