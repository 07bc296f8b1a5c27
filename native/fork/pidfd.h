// SPDX-License-Identifier: Apache-2.0
// Processes as descriptors, so that a reused pid can't be taken for the old one.
#pragma once

#include <optional>

namespace czone {

/** A pidfd (close-on-exec), or -errno. */
int OpenPidfd(int pid);

struct ExitStatus {
  /** Both empty: the process was not our child, and its status is not known. */
  std::optional<int> exit_code;
  std::optional<int> signal;
};

/** Reaps a process whose pidfd is readable. */
ExitStatus ReapPidfd(int pidfd);

}  // namespace czone
