// SPDX-License-Identifier: Apache-2.0
// Commands to the guest's driver, and how they ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linux/virtio_czone.h"
#include "os/range.h"

namespace czone {

/** Results of linux/virtio_czone.h, in their order, and the carrier's own. */
enum class Result : uint16_t {
  kOk = VIRTIO_CZONE_OK,
  kInvalid = VIRTIO_CZONE_INVALID,
  kNoEntry = VIRTIO_CZONE_NOENT,
  kExists = VIRTIO_CZONE_EXISTS,
  kNoMemory = VIRTIO_CZONE_NOMEM,
  kBusy = VIRTIO_CZONE_BUSY,
  kUnsupported = VIRTIO_CZONE_UNSUPPORTED,
  kError = VIRTIO_CZONE_ERROR,
  /** No answer in time: the state of the zone is unknown, LIST tells. */
  kTimeout,
  /** The front-end or the driver went away, or was never there. */
  kDisconnected,
};

const char* resultName(Result result);

enum class CommandType : uint16_t {
  kPlug = VIRTIO_CZONE_CMD_PLUG,
  kUnplug = VIRTIO_CZONE_CMD_UNPLUG,
  kReport = VIRTIO_CZONE_CMD_REPORT,
  kList = VIRTIO_CZONE_CMD_LIST,
  kResize = VIRTIO_CZONE_CMD_RESIZE,
};

const char* commandName(CommandType type);

struct Command {
  CommandType type = CommandType::kList;
  uint32_t zoneId = 0;
  /** RESIZE: its size is the one asked for. */
  Range range;
  uint64_t timeoutNs = 0;
  /** PLUG, UNPLUG: bytes of addresses that are the zone's; 0: no more than its size. */
  uint64_t limitBytes = 0;
  /** UNPLUG: keep what can't be moved as a zombie. Wants F_ZOMBIE. */
  bool zombie = false;
};

struct GuestZone {
  uint32_t zoneId = 0;
  uint32_t state = 0;
  Range range;
  uint64_t freeBytes = 0;
  uint64_t limitBytes = 0;
};

/** The addresses that are the zone's alone. */
inline Range reservedOf(const GuestZone& zone) { return {zone.range.addr, zone.limitBytes}; }

/** Pages that keep a zombie from ending, as the guest tells. */
struct Pin {
  Range range;
  /** VIRTIO_CZONE_PIN_*, or a number that is not known yet. */
  uint32_t reason = 0;
  uint32_t references = 0;
};

/** What the driver tells unasked. */
struct GuestEvent {
  enum class Kind : uint16_t {
    kWant = VIRTIO_CZONE_EVENT_WANT,
    kReleased = VIRTIO_CZONE_EVENT_RELEASED,
  };
  Kind kind = Kind::kWant;
  uint32_t zoneId = 0;
  /** Of the zone when the event was sent. */
  uint64_t sizeBytes = 0;
  /** WANT: bytes that the zone asks to have; RELEASED: pages still in use. */
  uint64_t value = 0;
};

struct Reply {
  Result result = Result::kOk;
  uint32_t pagesInUse = 0;
  uint64_t guestNs = 0;
  uint64_t roundTripNs = 0;
  /** Of the zone's range before the first discard, or as an UNPLUG was sent; -1: none ran. */
  int64_t residentBeforeBytes = -1;
  /** UNPLUG: what came back before, unasked, while the zone's processes ended. */
  uint64_t earlierBytes = 0;
  uint64_t returnedBytes = 0;
  /** Ranges that the driver named. */
  uint64_t ranges = 0;
  /** PLUG and RESIZE with OK: of the zone now. */
  uint64_t sizeBytes = 0;
  std::vector<GuestZone> zones;
  /** UNPLUG with BUSY: what still uses the zombie, as far as the guest names it. */
  std::vector<Pin> pins;
  /** Not empty: the command contradicts the table of zones and was not given. */
  std::string refusal;
};

}  // namespace czone
