// SPDX-License-Identifier: Apache-2.0
#include "fork/pidfd.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace czone {

int OpenPidfd(int pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

ExitStatus ReapPidfd(int pidfd) {
  ExitStatus status;
  siginfo_t info = {};
  int result;
  do {
    result =
        waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result < 0 || info.si_pid == 0) return status;
  if (info.si_code == CLD_EXITED)
    status.exit_code = info.si_status;
  else
    status.signal = info.si_status;
  return status;
}

}  // namespace czone
