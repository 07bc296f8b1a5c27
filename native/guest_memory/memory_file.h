// SPDX-License-Identifier: Apache-2.0
// The file behind a VM's memory: making it, counting what the host has
// allocated for it, giving ranges of it back.
#pragma once

#include <cstdint>
#include <string>

#include "os/unique_fd.h"

namespace czone {

/** A memfd (close-on-exec) of this size, sealed against resizing. Throws std::system_error. */
UniqueFd createMemoryFile(const std::string& name, uint64_t sizeBytes);

/**
 * The same with pages of 2 MiB, as far as the host finds any: a file without a name on a
 * tmpfs of its own that is mounted nowhere and ends with its last descriptor. memfds get
 * huge pages only where shmem_enabled says so. Not sealed: only memfds can be. Needs
 * CAP_SYS_ADMIN.
 */
UniqueFd createHugeMemoryFile(const std::string& name, uint64_t sizeBytes);

/**
 * Bytes of [offset, offset + sizeBytes) of a memory file that the host has in memory or
 * swap: by cachestat(2) where the host has it (Linux 6.5), else as allocatedBySeeking().
 * Returns 0 or an errno.
 */
int allocatedBytes(int fd, uint64_t offset, uint64_t sizeBytes, uint64_t* allocated);

/**
 * The same on any kernel (SEEK_DATA, SEEK_HOLE), which takes several times as long with
 * small pages. Moves the descriptor's file offset: not for files that somebody reads
 * sequentially.
 */
int allocatedBySeeking(int fd, uint64_t offset, uint64_t sizeBytes, uint64_t* allocated);

/** Punches [offset, offset + sizeBytes) out of the file; its size stays. Returns 0 or an errno. */
int discardBytes(int fd, uint64_t offset, uint64_t sizeBytes);

}  // namespace czone
