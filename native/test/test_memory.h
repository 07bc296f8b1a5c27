// SPDX-License-Identifier: Apache-2.0
// The memory of the VM that the tests pretend to be: boot memory at guest-physical
// 0, zones at 4 GiB, one file, as the controller lays it out; but the zone region
// comes in two pieces, so that ranges can span regions.
#pragma once

#include <cstdint>
#include <vector>

#include "czone_device/device_config.h"
#include "guest_memory/guest_memory.h"

namespace czone::test {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kBootBytes = 4 * kMiB;
constexpr uint64_t kRegionAddr = uint64_t{4} << 30;
constexpr uint64_t kRegionBytes = 64 * kMiB;
constexpr uint64_t kFileBytes = kBootBytes + kRegionBytes;
/** Where the pretended VMM has the file mapped. */
constexpr uint64_t kUserAddr = 0x7f0000000000;

inline std::vector<MemoryRegionSpec> memoryRegions() {
  const uint64_t half = kRegionBytes / 2;
  return {
      {0, kBootBytes, kUserAddr, 0},
      {kRegionAddr, half, kUserAddr + kBootBytes, kBootBytes},
      {kRegionAddr + half, half, kUserAddr + kBootBytes + half, kBootBytes + half},
  };
}

inline DeviceConfig deviceConfig() {
  DeviceConfig config;
  config.region = {kRegionAddr, kRegionBytes};
  config.blockBytes = 2 * kMiB;
  config.maxZones = 300;
  return config;
}

}  // namespace czone::test
