// SPDX-License-Identifier: Apache-2.0
#include "czone_device/response.h"

#include <algorithm>
#include <cstring>

namespace czone {
namespace {

constexpr uint64_t kPageBytes = 4096;

constexpr uint16_t bit(Result result) { return uint16_t(1u << static_cast<unsigned>(result)); }

/** Results that can answer each command, as the header lists them. */
uint16_t allowedResults(CommandType type) {
  constexpr uint16_t kAny = bit(Result::kOk) | bit(Result::kInvalid) | bit(Result::kNoMemory) |
                            bit(Result::kUnsupported) | bit(Result::kError);
  switch (type) {
    case CommandType::kPlug:
      return kAny | bit(Result::kExists);
    case CommandType::kUnplug:
    case CommandType::kReport:
      return kAny | bit(Result::kNoEntry) | bit(Result::kBusy);
    case CommandType::kList:
      return kAny;
  }
  return 0;
}

template <typename T>
T entryAt(const uint8_t* bytes, size_t index) {
  T entry;
  std::memcpy(&entry, bytes + sizeof(virtio_czone_response) + index * sizeof(T), sizeof(T));
  return entry;
}

}  // namespace

std::optional<Response> parseResponse(const uint8_t* bytes, size_t sizeBytes,
                                      std::string* problem) {
  const auto fail = [&](const char* what) -> std::optional<Response> {
    *problem = what;
    return std::nullopt;
  };
  virtio_czone_response header{};
  if (sizeBytes < sizeof(header)) return fail("a response is too short");
  std::memcpy(&header, bytes, sizeof(header));

  if (header.type < VIRTIO_CZONE_CMD_PLUG || header.type > VIRTIO_CZONE_CMD_LIST) {
    return fail("a response is to an unknown command");
  }
  const auto type = static_cast<CommandType>(header.type);
  const bool hasRanges = type == CommandType::kReport;
  const bool hasZones = type == CommandType::kList;
  const size_t entryBytes = hasRanges  ? sizeof(virtio_czone_range)
                            : hasZones ? sizeof(virtio_czone_zone)
                                       : 0;
  const size_t maxEntries = hasRanges  ? VIRTIO_CZONE_RANGES_MAX
                            : hasZones ? VIRTIO_CZONE_ZONES_MAX
                                       : 0;
  if (header.nr_entries > maxEntries) return fail("a response has too many entries");
  if (sizeBytes != sizeof(header) + header.nr_entries * entryBytes) {
    return fail("a response is not as long as its entries");
  }
  if (header.result > VIRTIO_CZONE_ERROR || (allowedResults(type) & (1u << header.result)) == 0) {
    return fail("a result can't answer its command");
  }
  if ((header.flags & ~VIRTIO_CZONE_RESPONSE_F_MORE) != 0) {
    return fail("a response has unknown flags");
  }
  const bool more = (header.flags & VIRTIO_CZONE_RESPONSE_F_MORE) != 0;
  if (more && (entryBytes == 0 || header.result != VIRTIO_CZONE_OK)) {
    return fail("nothing can follow such a response");
  }

  Response response;
  response.seq = header.seq;
  response.type = type;
  response.result = static_cast<Result>(header.result);
  response.more = more;
  response.zoneId = header.zone_id;
  response.pagesInUse = header.nr_pages_in_use;
  response.guestNs = header.guest_ns;
  for (size_t i = 0; i < header.nr_entries; i++) {
    if (hasRanges) {
      const auto range = entryAt<virtio_czone_range>(bytes, i);
      response.ranges.push_back({range.addr, range.size});
    } else {
      const auto zone = entryAt<virtio_czone_zone>(bytes, i);
      response.zones.push_back({zone.zone_id, zone.state, {zone.addr, zone.size}, zone.free});
    }
  }
  return response;
}

std::optional<std::string> checkRanges(const std::vector<Range>& ranges, const Range& zone) {
  for (const Range& range : ranges) {
    if (range.sizeBytes == 0 || range.addr % kPageBytes != 0 || range.sizeBytes % kPageBytes != 0) {
      return "a reported range is empty or not page-aligned";
    }
    if (!zone.contains(range)) return "a reported range lies outside its zone";
  }
  std::vector<Range> sorted = ranges;
  std::sort(sorted.begin(), sorted.end(),
            [](const Range& a, const Range& b) { return a.addr < b.addr; });
  for (size_t i = 1; i < sorted.size(); i++) {
    if (sorted[i - 1].overlaps(sorted[i])) return "reported ranges overlap";
  }
  return std::nullopt;
}

std::optional<std::string> checkZones(const std::vector<GuestZone>& zones,
                                      const std::vector<GuestZone>& before,
                                      const DeviceConfig& config) {
  std::vector<GuestZone> all = before;
  for (const GuestZone& zone : zones) {
    if (checkZone(config, zone.zoneId, zone.range)) return "a listed zone can't be one of ours";
    if (zone.state < VIRTIO_CZONE_STATE_PLUGGED || zone.state > VIRTIO_CZONE_STATE_DRAINING ||
        zone.freeBytes > zone.range.sizeBytes) {
      return "a listed zone is in no state that there is";
    }
    for (const GuestZone& other : all) {
      if (other.zoneId == zone.zoneId || other.range.overlaps(zone.range)) {
        return "listed zones overlap";
      }
    }
    all.push_back(zone);
  }
  return std::nullopt;
}

}  // namespace czone
