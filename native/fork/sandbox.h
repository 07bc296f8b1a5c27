// SPDX-License-Identifier: Apache-2.0
// Makes the sandbox that a zygote's child is forked into: a helper process enters zone
// and cgroup, makes namespaces and mounts, gives all of that to the zone, and ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace czone {

/** One act of the helper; what the fields mean depends on it. */
struct SandboxStep {
  enum class Act : uint32_t {
    /** Directory `path` with the mode `number`; may be there, but not as a link. */
    kMkdir,
    /** mount(source, path, type, number, data). */
    kMount,
    /** Device node `path`: mode `number`, numbers `device`. */
    kDevice,
    /** `path` belongs to the user `number` and the group `device`. */
    kOwn,
    /** Symbolic link `path` to `source`. */
    kSymlink,
    /** `path` shows nothing any more: /dev/null over a file, an empty tmpfs over a directory. */
    kMask,
    /** `path` can't be written any more. */
    kReadOnly,
    /** `path`, a mount, becomes the root; the old one goes. */
    kPivot,
    /** The working directory is `path`. */
    kChdir,
    /** The host's name is `source`. */
    kHostname,
    /** eth0 has the address `source`/24 and the gateway `data`. */
    kAddress,
  };
  Act act = Act::kMkdir;
  std::string path, source, type, data;
  uint64_t number = 0;
  uint64_t device = 0;
};

struct SandboxRequest {
  int zone_fd = -1;
  int cgroup_fd = -1;
  /** Of the network namespace that is joined. */
  int network_fd = -1;
  std::vector<SandboxStep> steps;
};

struct SandboxHelper {
  int pid = -1;
  int pidfd = -1;
  /** Tells why the helper failed; to be read when it has ended. */
  int report_fd = -1;
  /** 0, or the errno of clone3; then there is no helper. */
  int error = 0;
};

/** Where a helper stopped; `step` counts the request's, or is one of these. */
struct SandboxFailure {
  enum : int32_t { kUnshare = -1, kNetwork = -2, kHandOver = -3 };
  int32_t step = 0;
  int32_t error = 0;
};

SandboxHelper StartSandboxHelper(const SandboxRequest& request);

/** False: it has not failed. Closes the descriptor. */
bool ReadSandboxFailure(int report_fd, SandboxFailure* failure);

}  // namespace czone
