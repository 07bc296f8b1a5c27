// SPDX-License-Identifier: Apache-2.0
// Monotonic time in nanoseconds.
#pragma once

#include <cstdint>
#include <ctime>

namespace czone {

inline uint64_t monotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace czone
