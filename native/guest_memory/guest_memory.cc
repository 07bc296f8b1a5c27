// SPDX-License-Identifier: Apache-2.0
#include "guest_memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "guest_memory/memory_file.h"

namespace czone {
namespace {

bool pageAligned(uint64_t value) { return value % GuestMemory::kPageBytes == 0; }

Range guestRange(const MemoryRegionSpec& spec) { return {spec.guestAddr, spec.sizeBytes}; }
Range userRange(const MemoryRegionSpec& spec) { return {spec.userAddr, spec.sizeBytes}; }

/** Why the file can't stand behind the region, or nothing. `mapped`: some of it will be. */
std::optional<std::string> checkFile(const MemoryRegionSpec& spec, int fd, bool mapped) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return "its file is no regular file";
  const Range file{0, static_cast<uint64_t>(status.st_size)};
  if (!file.contains({spec.fileOffset, spec.sizeBytes})) return "it lies outside its file";
  // A file that can shrink would let the peer kill this process by SIGBUS, where it is mapped.
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (mapped && (seals < 0 || (seals & F_SEAL_SHRINK) == 0)) {
    return "its file is not sealed against shrinking";
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) != O_RDWR) return "its file is not open for writing";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> GuestMemory::add(const MemoryRegionSpec& spec, UniqueFd fd) {
  if (regions_.size() >= kMaxRegions) return "there are too many regions";
  if (spec.sizeBytes == 0 || !pageAligned(spec.sizeBytes) || !pageAligned(spec.guestAddr) ||
      !pageAligned(spec.fileOffset)) {
    return "it is empty or not page-aligned";
  }
  if (guestRange(spec).wraps() || userRange(spec).wraps() ||
      spec.fileOffset > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return "it wraps around";
  }
  for (const Region& other : regions_) {
    if (guestRange(spec).overlaps(guestRange(other.spec)) ||
        userRange(spec).overlaps(userRange(other.spec))) {
      return "it overlaps another region";
    }
  }
  const bool mapped = !zoneRegion_.contains(guestRange(spec));
  if (auto problem = checkFile(spec, fd.get(), mapped)) return problem;
  Region region{spec, std::move(fd), {}};
  if (auto problem = map(region)) return problem;
  regions_.push_back(std::move(region));
  return std::nullopt;
}

std::optional<std::string> GuestMemory::map(Region& region) const {
  const Range all = guestRange(region.spec);
  const uint64_t allEnd = all.addr + all.sizeBytes;
  const uint64_t zoneEnd = zoneRegion_.addr + zoneRegion_.sizeBytes;
  const Range below{all.addr, std::min(allEnd, std::max(all.addr, zoneRegion_.addr)) - all.addr};
  const uint64_t aboveAddr = std::max(all.addr, std::min(allEnd, zoneEnd));
  // Where the region lies wholly below the zones, `below` is all of it.
  const Range above =
      below.sizeBytes == all.sizeBytes ? Range{allEnd, 0} : Range{aboveAddr, allEnd - aboveAddr};
  for (const Range& part : {below, above}) {
    if (part.sizeBytes == 0) continue;
    const uint64_t offset = region.spec.fileOffset + (part.addr - all.addr);
    void* host = ::mmap(nullptr, part.sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        region.fd.get(), static_cast<off_t>(offset));
    if (host == MAP_FAILED) {
      const int error = errno;
      unmap(region);
      return std::string("it can't be mapped: ") + std::strerror(error);
    }
    ::madvise(host, part.sizeBytes, MADV_DONTDUMP);
    region.windows.push_back({part, static_cast<uint8_t*>(host)});
  }
  return std::nullopt;
}

void GuestMemory::unmap(Region& region) {
  for (const Window& window : region.windows) ::munmap(window.host, window.guest.sizeBytes);
  region.windows.clear();
}

bool GuestMemory::remove(const MemoryRegionSpec& spec) {
  const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const Region& region) {
    return region.spec.guestAddr == spec.guestAddr && region.spec.sizeBytes == spec.sizeBytes &&
           region.spec.userAddr == spec.userAddr;
  });
  if (found == regions_.end()) return false;
  unmap(*found);
  regions_.erase(found);
  return true;
}

void GuestMemory::clear() {
  for (Region& region : regions_) unmap(region);
  regions_.clear();
}

std::optional<uint64_t> GuestMemory::userToGuest(uint64_t userAddr, uint64_t sizeBytes) const {
  for (const Region& region : regions_) {
    if (userRange(region.spec).contains({userAddr, sizeBytes})) {
      return region.spec.guestAddr + (userAddr - region.spec.userAddr);
    }
  }
  return std::nullopt;
}

uint8_t* GuestMemory::at(uint64_t guestAddr, uint64_t sizeBytes) const {
  for (const Region& region : regions_) {
    for (const Window& window : region.windows) {
      if (window.guest.contains({guestAddr, sizeBytes})) {
        return window.host + (guestAddr - window.guest.addr);
      }
    }
  }
  return nullptr;
}

bool GuestMemory::read(uint64_t guestAddr, void* into, size_t sizeBytes) const {
  const uint8_t* host = at(guestAddr, sizeBytes);
  if (host == nullptr) return false;
  std::memcpy(into, host, sizeBytes);
  return true;
}

bool GuestMemory::write(uint64_t guestAddr, const void* from, size_t sizeBytes) const {
  uint8_t* host = at(guestAddr, sizeBytes);
  if (host == nullptr) return false;
  std::memcpy(host, from, sizeBytes);
  return true;
}

/** Calls visit(fd, fileOffset, sizeBytes) for each piece of the range, in ascending order. */
template <typename Visit>
int GuestMemory::forEachPart(const Range& range, Visit visit) const {
  if (range.wraps()) return EFAULT;
  uint64_t at = range.addr;
  const uint64_t end = range.addr + range.sizeBytes;
  while (at < end) {
    const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const Region& region) {
      return guestRange(region.spec).contains({at, 1});
    });
    if (found == regions_.end()) return EFAULT;
    const MemoryRegionSpec& spec = found->spec;
    const uint64_t partEnd = std::min(end, spec.guestAddr + spec.sizeBytes);
    const int error = visit(found->fd.get(), spec.fileOffset + (at - spec.guestAddr), partEnd - at);
    if (error != 0) return error;
    at = partEnd;
  }
  return 0;
}

bool GuestMemory::covers(const Range& range) const {
  return forEachPart(range, [](int, uint64_t, uint64_t) { return 0; }) == 0;
}

int GuestMemory::allocated(const Range& range, uint64_t* bytes) const {
  uint64_t sum = 0;
  const int error = forEachPart(range, [&](int fd, uint64_t offset, uint64_t sizeBytes) {
    uint64_t part = 0;
    const int failed = allocatedBytes(fd, offset, sizeBytes, &part);
    sum += part;
    return failed;
  });
  *bytes = sum;
  return error;
}

int GuestMemory::discard(const Range& range) const {
  // All or nothing where a part has no file.
  if (!covers(range)) return EFAULT;
  return forEachPart(range, discardBytes);
}

}  // namespace czone
