// SPDX-License-Identifier: Apache-2.0
// The guest's memory as the front-end describes it: regions of memory files, by
// guest-physical address.
//
// Only what lies outside the zone region is mapped, for rings and buffers. The
// zone region is never mapped: it is reached through files only, so that no page
// of it is ever faulted in from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "os/range.h"
#include "os/unique_fd.h"

namespace czone {

/** As it stands in ADD_MEM_REG and SET_MEM_TABLE. */
struct MemoryRegionSpec {
  uint64_t guestAddr = 0;
  uint64_t sizeBytes = 0;
  /** Where the front-end has it mapped; rings are named by such addresses. */
  uint64_t userAddr = 0;
  uint64_t fileOffset = 0;
};

class GuestMemory {
 public:
  static constexpr size_t kMaxRegions = 32;
  static constexpr uint64_t kPageBytes = 4096;

  /** zoneRegion: what is never mapped. */
  explicit GuestMemory(Range zoneRegion) : zoneRegion_(zoneRegion) {}
  ~GuestMemory() { clear(); }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  /** Takes a region in, or says why not. */
  std::optional<std::string> add(const MemoryRegionSpec& spec, UniqueFd fd);
  /** Whether there was such a region. */
  bool remove(const MemoryRegionSpec& spec);
  void clear();
  size_t regionCount() const { return regions_.size(); }

  /** The guest-physical address of a front-end address whose `sizeBytes` lie in one region. */
  std::optional<uint64_t> userToGuest(uint64_t userAddr, uint64_t sizeBytes) const;

  /** `sizeBytes` of mapped memory, or null where not all of it is mapped in one piece. */
  uint8_t* at(uint64_t guestAddr, uint64_t sizeBytes) const;

  /** Copies out of mapped guest memory; false where not all of it is mapped. */
  bool read(uint64_t guestAddr, void* into, size_t sizeBytes) const;
  bool write(uint64_t guestAddr, const void* from, size_t sizeBytes) const;

  /** Whether files stand behind all of the range. */
  bool covers(const Range& range) const;
  /** Allocated bytes of the range in its files. Returns 0 or an errno (EFAULT: not covered). */
  int allocated(const Range& range, uint64_t* bytes) const;
  /** Punches the range out of its files. Returns 0 or an errno; then a part may be gone. */
  int discard(const Range& range) const;

 private:
  struct Window {
    Range guest;
    uint8_t* host = nullptr;
  };
  struct Region {
    MemoryRegionSpec spec;
    UniqueFd fd;
    std::vector<Window> windows;
  };

  std::optional<std::string> map(Region& region) const;
  static void unmap(Region& region);
  template <typename Visit>
  int forEachPart(const Range& range, Visit visit) const;

  Range zoneRegion_;
  std::vector<Region> regions_;
};

}  // namespace czone
