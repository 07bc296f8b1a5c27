// SPDX-License-Identifier: Apache-2.0
#include "czone_device/zone_table.h"

#include <algorithm>

namespace czone {

const ZoneTable::Zone* ZoneTable::find(uint32_t zoneId) const {
  const auto found = zones_.find(zoneId);
  return found == zones_.end() ? nullptr : &found->second;
}

std::optional<std::string> ZoneTable::overlapping(const Range& range, uint32_t exceptId) const {
  for (const auto& [id, zone] : zones_) {
    if (id != exceptId && zone.reserved().overlaps(range)) {
      return "its range overlaps zone " + std::to_string(id);
    }
  }
  return std::nullopt;
}

/** Why a command can't be given to a zone that is in the table, or nothing. */
std::optional<std::string> ZoneTable::beginKnown(const Command& command, const Zone& zone) const {
  if (zone.range.addr != command.range.addr) return "the zone has another range";
  if (zone.state == ZoneState::kResizing) return "a RESIZE of it is under way";
  const bool unknown = zone.state == ZoneState::kUnknown;
  switch (command.type) {
    case CommandType::kList:
      return std::nullopt;
    case CommandType::kPlug:
      if (!unknown) return "it is plugged already";
      if (zone.limitBytes != command.limitBytes) return "the zone has another limit";
      return std::nullopt;
    case CommandType::kUnplug:
      if (zone.limitBytes != command.limitBytes) return "the zone has another limit";
      // After a RESIZE without an answer nobody here knows the size.
      if (unknown ? command.range.sizeBytes > zone.limitBytes
                  : command.range.sizeBytes != zone.range.sizeBytes) {
        return "the zone has another range";
      }
      return std::nullopt;
    case CommandType::kReport:
      if (zone.range.sizeBytes != command.range.sizeBytes) return "the zone has another range";
      return std::nullopt;
    case CommandType::kResize:
      if (zone.state != ZoneState::kPlugged) return "it is not plugged";
      if (command.range.sizeBytes > zone.limitBytes) return "the size is above the zone's limit";
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> ZoneTable::begin(const Command& command, uint64_t seq) {
  if (command.type == CommandType::kList) return std::nullopt;
  const std::string name =
      std::string(commandName(command.type)) + " of zone " + std::to_string(command.zoneId) + ": ";
  const auto found = zones_.find(command.zoneId);
  const bool known = found != zones_.end();
  if (known) {
    if (auto problem = beginKnown(command, found->second)) return name + *problem;
  } else if (command.type == CommandType::kResize) {
    return name + "it is not plugged";
  }
  const uint64_t limitBytes = std::max(command.limitBytes, command.range.sizeBytes);
  if (auto other = overlapping({command.range.addr, limitBytes}, command.zoneId)) {
    return name + *other;
  }
  switch (command.type) {
    case CommandType::kPlug:
      if (!known) zones_[command.zoneId] = {command.range, limitBytes, ZoneState::kPlugging, 0};
      zones_[command.zoneId].range = command.range;
      zones_[command.zoneId].plugSeq = seq;
      zones_[command.zoneId].endedBytes = 0;
      break;
    case CommandType::kUnplug:
      // The table may not know a zone that an earlier device has plugged.
      if (!known) zones_[command.zoneId] = {command.range, limitBytes, ZoneState::kUnknown, 0};
      zones_[command.zoneId].state = ZoneState::kUnplugging;
      break;
    case CommandType::kResize:
      found->second.state = ZoneState::kResizing;
      break;
    case CommandType::kReport:
    case CommandType::kList:
      break;
  }
  return std::nullopt;
}

void ZoneTable::end(const Command& command, Result result, bool sent, uint64_t sizeBytes) {
  const auto found = zones_.find(command.zoneId);
  if (found == zones_.end() || found->second.range.addr != command.range.addr) return;
  Zone& zone = found->second;
  switch (command.type) {
    case CommandType::kList:
    case CommandType::kReport:
      return;
    case CommandType::kPlug:
      if (result == Result::kOk) {
        zone.state = ZoneState::kPlugged;
      } else if (zone.state == ZoneState::kPlugging &&
                 (!sent || result == Result::kInvalid || result == Result::kNoMemory ||
                  result == Result::kUnsupported)) {
        zones_.erase(found);
      } else {
        zone.state = ZoneState::kUnknown;
      }
      return;
    case CommandType::kUnplug:
      if (result == Result::kOk) {
        zones_.erase(found);
      } else if (result == Result::kBusy) {
        // Another size would have been INVALID.
        zone.range.sizeBytes = command.range.sizeBytes;
        zone.state = ZoneState::kPlugged;
      } else {
        zone.state = ZoneState::kUnknown;
      }
      return;
    case CommandType::kResize:
      if (result == Result::kOk) zone.range.sizeBytes = sizeBytes;
      // These change nothing; after any other LIST decides.
      zone.state = !sent || result == Result::kOk || result == Result::kBusy ||
                           result == Result::kNoMemory || result == Result::kInvalid ||
                           result == Result::kUnsupported
                       ? ZoneState::kPlugged
                       : ZoneState::kUnknown;
      return;
  }
}

bool ZoneTable::lateUnplugCounts(const Command& command, uint64_t seq) const {
  const Zone* zone = find(command.zoneId);
  return zone != nullptr && zone->range.addr == command.range.addr && zone->plugSeq < seq;
}

void ZoneTable::endLate(const Command& command, uint64_t seq, Result result, uint64_t sizeBytes) {
  if (result != Result::kOk) return;
  const auto found = zones_.find(command.zoneId);
  if (found == zones_.end() || found->second.range.addr != command.range.addr) return;
  if (command.type == CommandType::kUnplug) {
    if (lateUnplugCounts(command, seq)) zones_.erase(found);
  } else if (command.type == CommandType::kPlug && found->second.plugSeq == seq &&
             found->second.state == ZoneState::kUnknown) {
    found->second.state = ZoneState::kPlugged;
  } else if (command.type == CommandType::kResize && found->second.plugSeq < seq &&
             found->second.state == ZoneState::kUnknown &&
             sizeBytes % VIRTIO_CZONE_BLOCK_SIZE_MIN == 0 &&
             sizeBytes >= VIRTIO_CZONE_ZONE_SIZE_MIN && sizeBytes <= found->second.limitBytes) {
    found->second.range.sizeBytes = sizeBytes;
    found->second.state = ZoneState::kPlugged;
  }
}

void ZoneTable::adopt(const std::vector<GuestZone>& listed, const std::set<uint32_t>& busy) {
  for (auto it = zones_.begin(); it != zones_.end();) {
    const auto same = std::find_if(listed.begin(), listed.end(), [&](const GuestZone& zone) {
      return zone.zoneId == it->first && reservedOf(zone) == it->second.reserved();
    });
    if (busy.count(it->first) != 0) {
      ++it;
    } else if (same == listed.end()) {
      it = zones_.erase(it);
    } else {
      it->second.range = same->range;
      it->second.state = ZoneState::kPlugged;
      ++it;
    }
  }
  for (const GuestZone& zone : listed) {
    if (find(zone.zoneId) == nullptr && !overlapping(reservedOf(zone), zone.zoneId)) {
      zones_[zone.zoneId] = {zone.range, zone.limitBytes, ZoneState::kPlugged, 0};
    }
  }
}

std::optional<std::string> ZoneTable::forget(const Range& range) {
  for (const auto& [id, zone] : zones_) {
    if (!zone.reserved().overlaps(range)) continue;
    if (zone.state != ZoneState::kUnknown || !range.contains(zone.reserved())) {
      return "zone " + std::to_string(id) + " is there";
    }
  }
  for (auto it = zones_.begin(); it != zones_.end();) {
    it = it->second.reserved().overlaps(range) ? zones_.erase(it) : std::next(it);
  }
  return std::nullopt;
}

}  // namespace czone
