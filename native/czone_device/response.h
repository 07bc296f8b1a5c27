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
static_assert(sizeof(virtio_czone_response) == 40);
static_assert(sizeof(virtio_czone_zone) == 40);
static_assert(sizeof(virtio_czone_pin) == 24);
static_assert(VIRTIO_CZONE_ZONES_MAX * sizeof(virtio_czone_zone) <=
              VIRTIO_CZONE_RANGES_MAX * sizeof(virtio_czone_range));
static_assert(VIRTIO_CZONE_PINS_MAX * sizeof(virtio_czone_pin) <=
              VIRTIO_CZONE_RANGES_MAX * sizeof(virtio_czone_range));

struct Response {
  uint64_t seq = 0;
  CommandType type = CommandType::kList;
  Result result = Result::kOk;
  bool more = false;
  uint32_t zoneId = 0;
  uint32_t pagesInUse = 0;
  uint64_t guestNs = 0;
  uint64_t sizeBytes = 0;
  std::vector<Range> ranges;
  std::vector<GuestZone> zones;
  std::vector<Pin> pins;
};

/** The response, or what is wrong with it in `problem`. Any bytes may be given. */
std::optional<Response> parseResponse(const uint8_t* bytes, size_t sizeBytes, std::string* problem);

/**
 * Why these are no ranges that the driver can let go of, or nothing: page-aligned, each
 * as a whole inside one of `allowed`, not overlapping each other.
 */
std::optional<std::string> checkRanges(const std::vector<Range>& ranges,
                                       const std::vector<Range>& allowed);

/** The same of pins, in a zone of this range. */
std::optional<std::string> checkPins(const std::vector<Pin>& pins, const Range& zone);

/** Where the memmap of a zone with this limit may lie: whole blocks at its start. */
Range memmapOf(uint64_t zoneAddr, uint64_t limitBytes, uint64_t blockBytes);

/** Why the guest can't have these zones, together with those it has named before, or nothing. */
std::optional<std::string> checkZones(const std::vector<GuestZone>& zones,
                                      const std::vector<GuestZone>& before,
                                      const DeviceConfig& config);

}  // namespace czone
