// SPDX-License-Identifier: Apache-2.0
// struct clone_args of a kernel with czones; the headers at hand may know it not.
#pragma once

#include <linux/czone.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace czone {

struct CloneArgs {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup, czone;
};
static_assert(sizeof(CloneArgs) == CZONE_CLONE_ARGS_SIZE, "clone_args with czone");

/** For a fork with a pidfd and default signals; a descriptor below 0 is left out. */
inline CloneArgs ForkArguments(int zone_fd, int cgroup_fd, int* pidfd) {
  CloneArgs args = {};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup_fd);
  }
  if (zone_fd >= 0) {
    args.flags |= CZONE_CLONE_INTO_CZONE;
    args.czone = static_cast<uint64_t>(zone_fd);
  }
  return args;
}

/** As fork(): 0 in the child, in which no handler of the caller's has run. -1 and errno. */
inline long ForkInto(CloneArgs* args) { return syscall(SYS_clone3, args, sizeof(*args)); }

}  // namespace czone
