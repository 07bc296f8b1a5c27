// SPDX-License-Identifier: Apache-2.0
// Any bytes as a response of the driver. What is taken must keep what the checks
// promise: ranges inside the zone, apart from each other.
#include "czone_device/response.h"

#include <cstdlib>

namespace {

const czone::Range kZone{uint64_t{4} << 30, 64 << 20};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t sizeBytes) {
  std::string problem;
  const auto response = czone::parseResponse(bytes, sizeBytes, &problem);
  if (response.has_value() != problem.empty()) std::abort();
  if (!response) return 0;
  if (!czone::checkRanges(response->ranges, {kZone})) {
    uint64_t sum = 0;
    for (const czone::Range& range : response->ranges) {
      if (range.addr < kZone.addr || range.sizeBytes > kZone.sizeBytes) std::abort();
      sum += range.sizeBytes;
    }
    // Ranges that lie apart can't be more than the zone.
    if (sum > kZone.sizeBytes) std::abort();
  }
  if (!czone::checkPins(response->pins, kZone)) {
    uint64_t sum = 0;
    for (const czone::Pin& pin : response->pins) sum += pin.range.sizeBytes;
    if (sum > kZone.sizeBytes) std::abort();
  }
  czone::DeviceConfig config;
  config.region = kZone;
  config.blockBytes = 2 << 20;
  config.maxZones = 100;
  if (!czone::checkZones(response->zones, {}, config)) {
    uint64_t sum = 0;
    for (const czone::GuestZone& zone : response->zones) sum += zone.limitBytes;
    if (sum > kZone.sizeBytes) std::abort();
  }
  return 0;
}
