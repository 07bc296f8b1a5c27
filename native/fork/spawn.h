// SPDX-License-Identifier: Apache-2.0
// Fork into a zone and a cgroup, then execute. Between the two only system calls:
// the caller has threads, and the child has a copy of whatever locks they held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace czone {

/** A tmpfs at scratch, and at root an overlay of lower and directories in it. */
struct OverlayMounts {
  std::string lower;
  std::string scratch;
  std::string root;
  uint64_t size_bytes = 0;
};

struct SpawnRequest {
  /** -1: in the caller's zone, or outside all zones as the caller. */
  int zone_fd = -1;
  /** -1: in the caller's cgroup. */
  int cgroup_fd = -1;
  std::string path;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  int stdout_fd = -1;
  int stderr_fd = -1;
  /** Become the descriptors from 3 on, in their order; at most 4. */
  std::vector<int> passed_fds;
  std::optional<OverlayMounts> overlay;
};

struct SpawnResult {
  int pid = -1;
  int pidfd = -1;
  /** 0, or the errno of the step that failed; then there is no process. */
  int error = 0;
  /** Names the step; a string literal. */
  const char* step = "";
};

SpawnResult SpawnInZone(const SpawnRequest& request);

}  // namespace czone
