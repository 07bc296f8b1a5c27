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
 * Bytes of [offset, offset + sizeBytes) that the file system has allocated
 * (SEEK_DATA, SEEK_HOLE). Moves the descriptor's file offset: not for files that
 * somebody reads sequentially. Returns 0 or an errno.
 */
int allocatedBytes(int fd, uint64_t offset, uint64_t sizeBytes, uint64_t* allocated);

/** Punches [offset, offset + sizeBytes) out of the file; its size stays. Returns 0 or an errno. */
int discardBytes(int fd, uint64_t offset, uint64_t sizeBytes);

}  // namespace czone
