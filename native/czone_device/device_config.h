// SPDX-License-Identifier: Apache-2.0
// What one device is set up with, and its config space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "czone_device/command.h"
#include "os/range.h"

namespace czone {

struct DeviceConfig {
  Range region;
  uint32_t blockBytes = 0;
  uint32_t maxZones = 0;
};

/** Why no device can be made of it, or nothing. */
std::optional<std::string> checkConfig(const DeviceConfig& config);

/** Why no zone can have this id or range, or nothing. */
std::optional<std::string> checkZone(const DeviceConfig& config, uint32_t zoneId,
                                     const Range& range);

/** Why a zone of this range can't have this limit, or nothing. */
std::optional<std::string> checkLimit(const DeviceConfig& config, const Range& range,
                                      uint64_t limitBytes);

/** struct virtio_czone_config. */
std::vector<uint8_t> configSpace(const DeviceConfig& config);

}  // namespace czone
