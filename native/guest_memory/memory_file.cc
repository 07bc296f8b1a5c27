// SPDX-License-Identifier: Apache-2.0
#include "guest_memory/memory_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/system_error.h"

namespace czone {

UniqueFd createMemoryFile(const std::string& name, uint64_t sizeBytes) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) throwErrno("memfd_create for " + name);
  if (::ftruncate(fd.get(), static_cast<off_t>(sizeBytes)) != 0) {
    throwErrno("resize memory file " + name + " to " + std::to_string(sizeBytes) + " bytes");
  }
  // Whoever maps the file may rely on its size: no SIGBUS behind the end of it.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throwErrno("seal memory file " + name);
  }
  return fd;
}

UniqueFd createHugeMemoryFile(const std::string& name, uint64_t sizeBytes) {
  const std::string what = " for " + name;
  const UniqueFd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!context.valid()) throwErrno("fsopen of a tmpfs" + what);
  const auto set = [&](const char* key, const std::string& value) {
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0) {
      throwErrno(std::string("tmpfs option ") + key + "=" + value + what);
    }
  };
  set("source", "czone");
  set("huge", "always");
  set("mode", "0700");
  // No bound but the file's own: by default it is half of the host's memory.
  set("size", std::to_string(sizeBytes));
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    throwErrno("make a tmpfs with huge pages" + what);
  }
  const UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC,
                                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!mount.valid()) throwErrno("mount a tmpfs with huge pages" + what);
  UniqueFd fd(::openat(mount.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid()) throwErrno("make the memory file" + what);
  if (::ftruncate(fd.get(), static_cast<off_t>(sizeBytes)) != 0) {
    throwErrno("resize memory file " + name + " to " + std::to_string(sizeBytes) + " bytes");
  }
  return fd;
}

namespace {

/** cachestat(2), which the C library does not know yet: include/uapi/linux/mman.h. */
constexpr long kCachestat = 451;
constexpr uint64_t kPageBytes = 4096;
struct CachestatRange {
  uint64_t offset;
  uint64_t sizeBytes;
};
/** In pages. */
struct Cachestat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t writeback;
  /** Of tmpfs: what is in swap. */
  uint64_t evicted;
  uint64_t recentlyEvicted;
};

}  // namespace

int allocatedBytes(int fd, uint64_t offset, uint64_t sizeBytes, uint64_t* allocated) {
  *allocated = 0;
  // To the kernel that would be all up to the end of the file.
  if (sizeBytes == 0) return 0;
  const CachestatRange range{offset, sizeBytes};
  Cachestat pages{};
  // It counts whole pages only.
  if (offset % kPageBytes != 0 || sizeBytes % kPageBytes != 0 ||
      ::syscall(kCachestat, fd, &range, &pages, 0) != 0) {
    return allocatedBySeeking(fd, offset, sizeBytes, allocated);
  }
  *allocated = (pages.cached + pages.evicted) * kPageBytes;
  return 0;
}

int allocatedBySeeking(int fd, uint64_t offset, uint64_t sizeBytes, uint64_t* allocated) {
  const auto end = static_cast<off_t>(offset + sizeBytes);
  auto at = static_cast<off_t>(offset);
  uint64_t sum = 0;
  while (at < end) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0) {
      if (errno == ENXIO) break;  // nothing but a hole up to the end of the file
      return errno;
    }
    if (data >= end) break;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0) {
      // Somebody punched it between the two calls: go on behind.
      if (errno == ENXIO) break;
      return errno;
    }
    sum += static_cast<uint64_t>(std::min(hole, end) - data);
    at = hole;
  }
  *allocated = sum;
  return 0;
}

int discardBytes(int fd, uint64_t offset, uint64_t sizeBytes) {
  int result = 0;
  do {
    result = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                         static_cast<off_t>(sizeBytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace czone
