// SPDX-License-Identifier: Apache-2.0
// A range of addresses, with arithmetic that does not wrap around.
#pragma once

#include <cstdint>

namespace czone {

struct Range {
  uint64_t addr = 0;
  uint64_t sizeBytes = 0;

  bool wraps() const { return addr + sizeBytes < addr; }
  bool contains(const Range& inner) const {
    return !inner.wraps() && inner.addr >= addr && inner.sizeBytes <= sizeBytes &&
           inner.addr - addr <= sizeBytes - inner.sizeBytes;
  }
  /** Of ranges that do not wrap. */
  bool overlaps(const Range& other) const {
    return addr < other.addr + other.sizeBytes && other.addr < addr + sizeBytes;
  }
  bool operator==(const Range& other) const {
    return addr == other.addr && sizeBytes == other.sizeBytes;
  }
};

}  // namespace czone
