// SPDX-License-Identifier: Apache-2.0
// The device's own table of zones: which ranges the guest holds or may hold.
//
// A range is
//   plugging   PLUG was given and not yet answered
//   plugged    the driver said so (OK to PLUG, or LIST)
//   unplugging UNPLUG was given and not yet answered
//   resizing   RESIZE was given and not yet answered: its size is not known
//   unknown    an answer is missing or makes no sense; LIST decides
// and leaves the table when UNPLUG ended with OK and the range was discarded, when
// PLUG was refused, or when LIST shows that the driver does not hold it. Only the
// device moves entries, by commands and their answers. A zombie of the driver is
// plugged here: it holds its range. Pure: no clock, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "czone_device/command.h"

namespace czone {

enum class ZoneState { kPlugging, kPlugged, kUnplugging, kResizing, kUnknown };

class ZoneTable {
 public:
  struct Zone {
    /** What it has. While it is unknown the size is the last one that was. */
    Range range;
    /** Addresses that are its own, from range.addr on. */
    uint64_t limitBytes = 0;
    ZoneState state = ZoneState::kUnknown;
    /** Of the newest PLUG; 0: plugged by an earlier device. */
    uint64_t plugSeq = 0;
    /** What came back unasked, while its processes ended. */
    uint64_t endedBytes = 0;

    Range reserved() const { return {range.addr, limitBytes}; }
  };

  /**
   * Takes a command in, before it is given. A text: it contradicts the table and must
   * not be given. LIST is always right.
   */
  std::optional<std::string> begin(const Command& command, uint64_t seq);

  /**
   * The command ended. `sent`: the driver may have seen it. `sizeBytes`: what the zone
   * has after RESIZE with OK.
   */
  void end(const Command& command, Result result, bool sent, uint64_t sizeBytes);

  /** An answer came after the command had been given up: nobody else was told of it. */
  void endLate(const Command& command, uint64_t seq, Result result, uint64_t sizeBytes);
  /**
   * Whether such an answer, OK to UNPLUG, still speaks of what now lies in the range, so
   * that all of it is to be discarded: not if it was plugged again since.
   */
  bool lateUnplugCounts(const Command& command, uint64_t seq) const;

  /**
   * LIST was answered. Zones of `busy` have commands under way, whose answers tell
   * more than a list made at some moment in between.
   */
  void adopt(const std::vector<GuestZone>& listed, const std::set<uint32_t>& busy);

  /**
   * Forgets what lies in the range, or says which zone stands in the way: one that is
   * not unknown, or not inside the range as a whole.
   */
  std::optional<std::string> forget(const Range& range);

  /** So much of a zone that is there came back unasked. */
  void addEnded(uint32_t zoneId, uint64_t bytes) { zones_.at(zoneId).endedBytes += bytes; }

  /** The zone of this id, or null. */
  const Zone* find(uint32_t zoneId) const;
  size_t size() const { return zones_.size(); }

 private:
  std::optional<std::string> overlapping(const Range& range, uint32_t exceptId) const;
  std::optional<std::string> beginKnown(const Command& command, const Zone& zone) const;

  std::map<uint32_t, Zone> zones_;
};

}  // namespace czone
