// SPDX-License-Identifier: Apache-2.0
#include "process_memory/program_pages.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "os/unique_fd.h"

namespace czone {
namespace {

std::vector<iovec> programRanges(pid_t pid) {
  std::vector<iovec> ranges;
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::string line;
  while (std::getline(maps, line)) {
    uintptr_t start = 0;
    uintptr_t end = 0;
    char permissions[5] = "";
    uint64_t inode = 0;
    const int read = std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %" SCNu64,
                                 &start, &end, permissions, &inode);
    if (read != 4 || inode == 0 || permissions[1] != '-' || permissions[3] != 'p') continue;
    ranges.push_back({reinterpret_cast<void*>(start), end - start});
  }
  return ranges;
}

}  // namespace

int pageOutProgram(pid_t pid) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return errno;
  for (const iovec& range : programRanges(pid)) {
    if (::syscall(SYS_process_madvise, process.get(), &range, 1UL, MADV_PAGEOUT, 0U) >= 0) continue;
    // Locked, or unmapped since: the others may still go.
    if (errno != EINVAL && errno != ENOMEM) return errno;
  }
  return 0;
}

int readNoneAround() {
  for (const iovec& range : programRanges(::getpid())) {
    if (::madvise(range.iov_base, range.iov_len, MADV_RANDOM) == 0) continue;
    // Unmapped since.
    if (errno != ENOMEM) return errno;
  }
  return 0;
}

}  // namespace czone
