// SPDX-License-Identifier: Apache-2.0
// What a process has mapped of its program.
#pragma once

#include <sys/types.h>

namespace czone {

/**
 * Pages of files that the process maps privately and can't write, its program's and its
 * libraries', leave memory (process_madvise(2), MADV_PAGEOUT; Linux 5.10), all but those
 * that another process maps, too. What it needs again it reads from the disk. Of another
 * process: needs CAP_SYS_NICE and the right to trace it. Returns 0 or an errno.
 */
int pageOutProgram(pid_t pid);

/**
 * Of the same pages of this process: one that is missing is read without those around it
 * (madvise(2), MADV_RANDOM), from now on. Returns 0 or an errno.
 */
int readNoneAround();

}  // namespace czone
