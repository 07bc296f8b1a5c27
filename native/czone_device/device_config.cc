// SPDX-License-Identifier: Apache-2.0
#include "czone_device/device_config.h"

#include <cstring>
#include <sstream>

namespace czone {

std::optional<std::string> checkConfig(const DeviceConfig& config) {
  const uint32_t block = config.blockBytes;
  if (block < VIRTIO_CZONE_BLOCK_SIZE_MIN || (block & (block - 1)) != 0) {
    return "blockBytes must be a power of two of at least 2 MiB";
  }
  if (config.region.wraps() || config.region.sizeBytes == 0 || config.region.addr % block != 0 ||
      config.region.sizeBytes % block != 0) {
    return "the region must not be empty, and begin and end on a block";
  }
  if (config.maxZones == 0 || config.maxZones > VIRTIO_CZONE_ID_MAX) {
    return "maxZones must be from 1 to " + std::to_string(VIRTIO_CZONE_ID_MAX);
  }
  return std::nullopt;
}

std::optional<std::string> checkZone(const DeviceConfig& config, uint32_t zoneId,
                                     const Range& range) {
  if (zoneId == 0 || zoneId > config.maxZones) {
    return "zone id " + std::to_string(zoneId) + " is not from 1 to " +
           std::to_string(config.maxZones);
  }
  std::ostringstream name;
  name << "zone " << zoneId << " at 0x" << std::hex << range.addr << std::dec << " of "
       << range.sizeBytes << " bytes ";
  if (!config.region.contains(range)) return name.str() + "lies outside the region";
  if (range.addr % config.blockBytes != 0 || range.sizeBytes % config.blockBytes != 0) {
    return name.str() + "does not begin and end on a block of " +
           std::to_string(config.blockBytes) + " bytes";
  }
  if (range.sizeBytes < VIRTIO_CZONE_ZONE_SIZE_MIN) {
    return name.str() + "is smaller than " + std::to_string(VIRTIO_CZONE_ZONE_SIZE_MIN) + " bytes";
  }
  return std::nullopt;
}

std::optional<std::string> checkLimit(const DeviceConfig& config, const Range& range,
                                      uint64_t limitBytes) {
  if (limitBytes < range.sizeBytes || limitBytes % config.blockBytes != 0 ||
      !config.region.contains({range.addr, limitBytes})) {
    return "a limit of " + std::to_string(limitBytes) +
           " bytes is below the zone's size, not whole blocks, or leaves the region";
  }
  return std::nullopt;
}

std::vector<uint8_t> configSpace(const DeviceConfig& config) {
  virtio_czone_config area{};
  static_assert(sizeof(area) == 32);
  area.magic = VIRTIO_CZONE_MAGIC;
  area.version = VIRTIO_CZONE_VERSION;
  area.region_addr = config.region.addr;
  area.region_size = config.region.sizeBytes;
  area.block_size = config.blockBytes;
  area.max_zones = config.maxZones;
  std::vector<uint8_t> bytes(sizeof(area));
  std::memcpy(bytes.data(), &area, sizeof(area));
  return bytes;
}

}  // namespace czone
