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
    if (id != exceptId && zone.range.overlaps(range)) {
      return "its range overlaps zone " + std::to_string(id);
    }
  }
  return std::nullopt;
}

std::optional<std::string> ZoneTable::begin(const Command& command, uint64_t seq) {
  if (command.type == CommandType::kList) return std::nullopt;
  const std::string name =
      std::string(commandName(command.type)) + " of zone " + std::to_string(command.zoneId) + ": ";
  const auto found = zones_.find(command.zoneId);
  const bool known = found != zones_.end();
  if (known && !(found->second.range == command.range)) {
    return name + "the zone has another range";
  }
  if (auto other = overlapping(command.range, command.zoneId)) return name + *other;
  switch (command.type) {
    case CommandType::kPlug:
      if (known && found->second.state != ZoneState::kUnknown)
        return name + "it is plugged already";
      if (!known) zones_[command.zoneId] = {command.range, ZoneState::kPlugging, 0};
      zones_[command.zoneId].plugSeq = seq;
      break;
    case CommandType::kUnplug:
      // The table may not know a zone that an earlier device has plugged.
      if (!known) zones_[command.zoneId] = {command.range, ZoneState::kUnknown, 0};
      zones_[command.zoneId].state = ZoneState::kUnplugging;
      break;
    case CommandType::kReport:
    case CommandType::kList:
      break;
  }
  return std::nullopt;
}

void ZoneTable::end(const Command& command, Result result, bool sent) {
  const auto found = zones_.find(command.zoneId);
  if (found == zones_.end() || !(found->second.range == command.range)) return;
  ZoneState& state = found->second.state;
  switch (command.type) {
    case CommandType::kList:
    case CommandType::kReport:
      return;
    case CommandType::kPlug:
      if (result == Result::kOk) {
        state = ZoneState::kPlugged;
      } else if (state == ZoneState::kPlugging &&
                 (!sent || result == Result::kInvalid || result == Result::kNoMemory ||
                  result == Result::kUnsupported)) {
        zones_.erase(found);
      } else {
        state = ZoneState::kUnknown;
      }
      return;
    case CommandType::kUnplug:
      if (result == Result::kOk) {
        zones_.erase(found);
      } else {
        state = result == Result::kBusy ? ZoneState::kPlugged : ZoneState::kUnknown;
      }
      return;
  }
}

bool ZoneTable::lateUnplugCounts(const Command& command, uint64_t seq) const {
  const Zone* zone = find(command.zoneId);
  return zone != nullptr && zone->range == command.range && zone->plugSeq < seq;
}

void ZoneTable::endLate(const Command& command, uint64_t seq, Result result) {
  if (result != Result::kOk) return;
  const auto found = zones_.find(command.zoneId);
  if (found == zones_.end() || !(found->second.range == command.range)) return;
  if (command.type == CommandType::kUnplug) {
    if (lateUnplugCounts(command, seq)) zones_.erase(found);
  } else if (command.type == CommandType::kPlug && found->second.plugSeq == seq &&
             found->second.state == ZoneState::kUnknown) {
    found->second.state = ZoneState::kPlugged;
  }
}

void ZoneTable::adopt(const std::vector<GuestZone>& listed, const std::set<uint32_t>& busy) {
  for (auto it = zones_.begin(); it != zones_.end();) {
    const auto same = std::find_if(listed.begin(), listed.end(), [&](const GuestZone& zone) {
      return zone.zoneId == it->first && zone.range == it->second.range;
    });
    if (busy.count(it->first) != 0) {
      ++it;
    } else if (same == listed.end()) {
      it = zones_.erase(it);
    } else {
      it->second.state = ZoneState::kPlugged;
      ++it;
    }
  }
  for (const GuestZone& zone : listed) {
    if (find(zone.zoneId) == nullptr && !overlapping(zone.range, zone.zoneId)) {
      zones_[zone.zoneId] = {zone.range, ZoneState::kPlugged, 0};
    }
  }
}

std::optional<std::string> ZoneTable::forget(const Range& range) {
  for (const auto& [id, zone] : zones_) {
    if (!zone.range.overlaps(range)) continue;
    if (zone.state != ZoneState::kUnknown || !range.contains(zone.range)) {
      return "zone " + std::to_string(id) + " is there";
    }
  }
  for (auto it = zones_.begin(); it != zones_.end();) {
    it = it->second.range.overlaps(range) ? zones_.erase(it) : std::next(it);
  }
  return std::nullopt;
}

}  // namespace czone
