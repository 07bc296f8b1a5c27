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
    case CommandType::kResize:
      return kAny | bit(Result::kNoEntry) | bit(Result::kBusy);
    case CommandType::kList:
      return kAny;
  }
  return 0;
}

/** What may stand behind a response. */
struct Entries {
  enum class Kind { kNone, kRanges, kZones, kPins };
  Kind kind = Kind::kNone;
  size_t bytes = 0;
  size_t max = 0;
};

constexpr Entries kNoEntries{};
constexpr Entries kRanges{Entries::Kind::kRanges, sizeof(virtio_czone_range),
                          VIRTIO_CZONE_RANGES_MAX};
constexpr Entries kZones{Entries::Kind::kZones, sizeof(virtio_czone_zone), VIRTIO_CZONE_ZONES_MAX};
constexpr Entries kPins{Entries::Kind::kPins, sizeof(virtio_czone_pin), VIRTIO_CZONE_PINS_MAX};

Entries entriesOf(CommandType type, uint16_t result, bool more) {
  switch (type) {
    case CommandType::kPlug:
      return kNoEntries;
    case CommandType::kList:
      return kZones;
    case CommandType::kReport:
      return kRanges;
    case CommandType::kUnplug:
      if (more) return kRanges;
      return result == VIRTIO_CZONE_BUSY ? kPins : kNoEntries;
    case CommandType::kResize:
      return more ? kRanges : kNoEntries;
  }
  return kNoEntries;
}

bool pagesOnly(const Range& range) {
  return range.sizeBytes != 0 && range.addr % kPageBytes == 0 && range.sizeBytes % kPageBytes == 0;
}

/** Sorts them. */
bool overlapEachOther(std::vector<Range>& ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.addr < b.addr; });
  for (size_t i = 1; i < ranges.size(); i++) {
    if (ranges[i - 1].overlaps(ranges[i])) return true;
  }
  return false;
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

  if (header.type < VIRTIO_CZONE_CMD_PLUG || header.type > VIRTIO_CZONE_CMD_RESIZE) {
    return fail("a response is to an unknown command");
  }
  const auto type = static_cast<CommandType>(header.type);
  if ((header.flags & ~VIRTIO_CZONE_RESPONSE_F_MORE) != 0) {
    return fail("a response has unknown flags");
  }
  const bool more = (header.flags & VIRTIO_CZONE_RESPONSE_F_MORE) != 0;
  if (more && (type == CommandType::kPlug || header.result != VIRTIO_CZONE_OK)) {
    return fail("nothing can follow such a response");
  }
  const Entries entries = entriesOf(type, header.result, more);
  if (header.nr_entries > entries.max) return fail("a response has too many entries");
  if (sizeBytes != sizeof(header) + header.nr_entries * entries.bytes) {
    return fail("a response is not as long as its entries");
  }
  if (header.result > VIRTIO_CZONE_ERROR || (allowedResults(type) & (1u << header.result)) == 0) {
    return fail("a result can't answer its command");
  }

  Response response;
  response.seq = header.seq;
  response.type = type;
  response.result = static_cast<Result>(header.result);
  response.more = more;
  response.zoneId = header.zone_id;
  response.pagesInUse = header.nr_pages_in_use;
  response.guestNs = header.guest_ns;
  response.sizeBytes = header.size;
  for (size_t i = 0; i < header.nr_entries; i++) {
    switch (entries.kind) {
      case Entries::Kind::kRanges: {
        const auto range = entryAt<virtio_czone_range>(bytes, i);
        response.ranges.push_back({range.addr, range.size});
        break;
      }
      case Entries::Kind::kZones: {
        const auto zone = entryAt<virtio_czone_zone>(bytes, i);
        response.zones.push_back(
            {zone.zone_id, zone.state, {zone.addr, zone.size}, zone.free, zone.limit});
        break;
      }
      case Entries::Kind::kPins: {
        const auto pin = entryAt<virtio_czone_pin>(bytes, i);
        response.pins.push_back({{pin.addr, pin.size}, pin.reason, pin.references});
        break;
      }
      case Entries::Kind::kNone:
        break;
    }
  }
  return response;
}

std::optional<std::string> checkRanges(const std::vector<Range>& ranges,
                                       const std::vector<Range>& allowed) {
  for (const Range& range : ranges) {
    if (!pagesOnly(range)) return "a reported range is empty or not page-aligned";
    if (std::none_of(allowed.begin(), allowed.end(),
                     [&](const Range& part) { return part.contains(range); })) {
      return "a reported range lies outside its zone, or outside of what is let go";
    }
  }
  std::vector<Range> sorted = ranges;
  if (overlapEachOther(sorted)) return "reported ranges overlap";
  return std::nullopt;
}

std::optional<std::string> checkPins(const std::vector<Pin>& pins, const Range& zone) {
  std::vector<Range> ranges;
  for (const Pin& pin : pins) {
    if (!pagesOnly(pin.range)) return "a pin is empty or not page-aligned";
    if (!zone.contains(pin.range)) return "a pin lies outside its zone";
    ranges.push_back(pin.range);
  }
  if (overlapEachOther(ranges)) return "pins overlap";
  return std::nullopt;
}

Range memmapOf(uint64_t zoneAddr, uint64_t limitBytes, uint64_t blockBytes) {
  // 64 bytes of struct page for a page of 4 KiB.
  const uint64_t bytes = limitBytes / 64;
  return {zoneAddr, (bytes + blockBytes - 1) / blockBytes * blockBytes};
}

std::optional<std::string> checkZones(const std::vector<GuestZone>& zones,
                                      const std::vector<GuestZone>& before,
                                      const DeviceConfig& config) {
  std::vector<GuestZone> all = before;
  for (const GuestZone& zone : zones) {
    if (checkZone(config, zone.zoneId, zone.range) ||
        checkLimit(config, zone.range, zone.limitBytes)) {
      return "a listed zone can't be one of ours";
    }
    if (zone.state < VIRTIO_CZONE_STATE_PLUGGED || zone.state > VIRTIO_CZONE_STATE_ZOMBIE ||
        zone.freeBytes > zone.range.sizeBytes) {
      return "a listed zone is in no state that there is";
    }
    for (const GuestZone& other : all) {
      if (other.zoneId == zone.zoneId || reservedOf(other).overlaps(reservedOf(zone))) {
        return "listed zones overlap";
      }
    }
    all.push_back(zone);
  }
  return std::nullopt;
}

}  // namespace czone
