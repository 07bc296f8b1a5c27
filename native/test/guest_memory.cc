// SPDX-License-Identifier: Apache-2.0
#include "guest_memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>

#include "guest_memory/memory_file.h"
#include "test/check.h"
#include "test/test_memory.h"

namespace czone::test {
namespace {

UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

void fill(int fd, uint64_t offset, uint64_t sizeBytes) {
  const std::vector<uint8_t> bytes(sizeBytes, 0xa5);
  CHECK_EQUAL(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeBytes));
}

uint64_t allocatedIn(int fd, uint64_t offset, uint64_t sizeBytes) {
  uint64_t bytes = 0;
  CHECK_EQUAL(allocatedBytes(fd, offset, sizeBytes, &bytes), 0);
  uint64_t sought = 0;
  CHECK_EQUAL(allocatedBySeeking(fd, offset, sizeBytes, &sought), 0);
  CHECK_EQUAL(bytes, sought);
  return bytes;
}

/** KiB of address space that this process has mapped from the file. */
size_t mappedFrom(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  size_t bytes = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (line.find("/memfd:" + name) != std::string::npos &&
        std::sscanf(line.c_str(), "%lx-%lx", &from, &to) == 2) {
      bytes += to - from;
    }
  }
  return bytes;
}

}  // namespace

TEST(a_memory_file_can_not_be_resized) {
  const UniqueFd file = createMemoryFile("resize", kFileBytes);
  CHECK(::ftruncate(file.get(), 0) != 0);
  CHECK(::ftruncate(file.get(), 2 * kFileBytes) != 0);
  CHECK(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC);
}

TEST(a_huge_memory_file_has_huge_pages_and_gives_them_back) {
  UniqueFd file;
  try {
    file = createHugeMemoryFile("huge", kFileBytes);
  } catch (const std::system_error& error) {
    if (error.code().value() != EPERM) throw;
    return;  // not root
  }
  CHECK(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC);
  const uint64_t huge = 2 * kMiB;
  fill(file.get(), huge, 4096);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), huge);
  CHECK_EQUAL(discardBytes(file.get(), huge, huge), 0);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), 0u);
}

TEST(allocated_bytes_follow_writes_and_discards) {
  const UniqueFd file = createMemoryFile("count", kFileBytes);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), 0u);
  fill(file.get(), kMiB, 8192);
  fill(file.get(), 3 * kMiB, 4096);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), 12288u);
  CHECK_EQUAL(allocatedIn(file.get(), kMiB + 4096, 4096), 4096u);
  CHECK_EQUAL(allocatedIn(file.get(), 2 * kMiB, kMiB), 0u);
  CHECK_EQUAL(allocatedIn(file.get(), kMiB, 0), 0u);
  CHECK_EQUAL(discardBytes(file.get(), kMiB, 4096), 0);
  CHECK_EQUAL(allocatedIn(file.get(), 0, 2 * kMiB), 4096u);
}

TEST(the_zone_region_is_never_mapped) {
  const UniqueFd file = createMemoryFile("unmapped", kFileBytes);
  GuestMemory memory({kRegionAddr, kRegionBytes});
  for (const auto& spec : memoryRegions()) CHECK(!memory.add(spec, duplicate(file.get())));
  CHECK_EQUAL(mappedFrom("unmapped"), kBootBytes);
  CHECK(memory.at(0, kBootBytes) != nullptr);
  CHECK(memory.at(0, kBootBytes + 1) == nullptr);
  CHECK(memory.at(kRegionAddr, 1) == nullptr);
  CHECK(memory.at(UINT64_MAX, 2) == nullptr);
  memory.clear();
  CHECK_EQUAL(mappedFrom("unmapped"), 0u);
}

TEST(around_a_zone_region_inside_a_region_both_sides_are_mapped) {
  const UniqueFd file = createMemoryFile("around", kFileBytes);
  GuestMemory memory({8 * kMiB, 2 * kMiB});
  CHECK(!memory.add({0, 16 * kMiB, kUserAddr, 0}, duplicate(file.get())));
  CHECK_EQUAL(mappedFrom("around"), 14 * kMiB);
  CHECK(memory.at(8 * kMiB - 1, 1) != nullptr);
  CHECK(memory.at(8 * kMiB - 1, 2) == nullptr);
  CHECK(memory.at(10 * kMiB, 6 * kMiB) != nullptr);
  *memory.at(10 * kMiB, 1) = 7;
  uint8_t byte = 0;
  CHECK_EQUAL(::pread(file.get(), &byte, 1, 10 * kMiB), 1);
  CHECK_EQUAL(int{byte}, 7);
}

TEST(wrong_regions_are_refused) {
  const UniqueFd file = createMemoryFile("wrong", kFileBytes);
  GuestMemory memory({kRegionAddr, kRegionBytes});
  const auto refused = [&](const MemoryRegionSpec& spec) {
    return memory.add(spec, duplicate(file.get())).has_value();
  };
  CHECK(refused({0, 0, 0, 0}));
  CHECK(refused({1, 4096, 0, 0}));
  CHECK(refused({0, 4097, 0, 0}));
  CHECK(refused({0, 4096, 0, 1}));
  CHECK(refused({0, 4096, 0, kFileBytes}));
  CHECK(refused({0, kFileBytes + 4096, 0, 0}));
  CHECK(refused({0, 4096, 0, UINT64_MAX - 4095}));
  CHECK(refused({UINT64_MAX - 4095, 8192, 0, 0}));
  CHECK(refused({0, 8192, UINT64_MAX - 4095, 0}));
  CHECK_EQUAL(memory.regionCount(), 0u);
  CHECK(!refused({0, 8192, kUserAddr, 0}));
  CHECK(refused({4096, 8192, kUserAddr + kMiB, 0}));
  CHECK(refused({kMiB, 8192, kUserAddr + 4096, 0}));
  CHECK(!memory.remove({0, 4096, kUserAddr, 0}));
  CHECK(memory.remove({0, 8192, kUserAddr, 0}));
}

TEST(files_that_can_shrink_or_are_read_only_are_refused) {
  GuestMemory memory({kRegionAddr, kRegionBytes});
  UniqueFd unsealed(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK_EQUAL(::ftruncate(unsealed.get(), kMiB), 0);
  CHECK(memory.add({0, 4096, kUserAddr, 0}, std::move(unsealed)).has_value());
  // What is never mapped may shrink: zones with huge pages lie in such files.
  UniqueFd zones(::memfd_create("zones", MFD_CLOEXEC));
  CHECK_EQUAL(::ftruncate(zones.get(), kMiB), 0);
  CHECK(memory.add({kRegionAddr - 4096, 8192, kUserAddr, 0}, duplicate(zones.get())).has_value());
  CHECK(!memory.add({kRegionAddr, kMiB, kUserAddr, 0}, duplicate(zones.get())).has_value());
  CHECK(memory.at(kRegionAddr, 1) == nullptr);
  const UniqueFd file = createMemoryFile("readonly", kMiB);
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  CHECK(memory.add({0, 4096, kUserAddr, 0}, UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)))
            .has_value());
  CHECK(memory.add({0, 4096, kUserAddr, 0}, UniqueFd(::open("/dev/zero", O_RDWR | O_CLOEXEC)))
            .has_value());
}

TEST(no_more_than_so_many_regions) {
  const UniqueFd file = createMemoryFile("many", kFileBytes);
  GuestMemory memory({kRegionAddr, kRegionBytes});
  for (uint64_t i = 0; i < GuestMemory::kMaxRegions; i++) {
    CHECK(!memory.add({i * 8192, 4096, kUserAddr + i * 8192, 0}, duplicate(file.get())));
  }
  CHECK(memory.add({kBootBytes, 4096, 0, 0}, duplicate(file.get())).has_value());
}

TEST(a_discard_spans_regions_and_returns_the_bytes) {
  const UniqueFd file = createMemoryFile("span", kFileBytes);
  GuestMemory memory({kRegionAddr, kRegionBytes});
  for (const auto& spec : memoryRegions()) CHECK(!memory.add(spec, duplicate(file.get())));
  const uint64_t middle = kRegionBytes / 2;
  fill(file.get(), kBootBytes + middle - kMiB, 2 * kMiB);
  const Range range{kRegionAddr + middle - kMiB / 2, kMiB};
  uint64_t bytes = 0;
  CHECK_EQUAL(memory.allocated(range, &bytes), 0);
  CHECK_EQUAL(bytes, kMiB);
  CHECK_EQUAL(memory.discard(range), 0);
  CHECK_EQUAL(memory.allocated(range, &bytes), 0);
  CHECK_EQUAL(bytes, 0u);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), kMiB);
}

TEST(a_discard_that_is_not_covered_discards_nothing) {
  const UniqueFd file = createMemoryFile("cover", kFileBytes);
  GuestMemory memory({kRegionAddr, kRegionBytes});
  CHECK(!memory.add(memoryRegions()[2], duplicate(file.get())));
  fill(file.get(), kBootBytes, kRegionBytes);
  CHECK_EQUAL(memory.discard({kRegionAddr + kRegionBytes - kMiB, 2 * kMiB}), EFAULT);
  CHECK_EQUAL(memory.discard({kRegionAddr + kRegionBytes / 2 - kMiB, 2 * kMiB}), EFAULT);
  CHECK_EQUAL(memory.discard({kRegionAddr + kRegionBytes - kMiB, UINT64_MAX}), EFAULT);
  CHECK_EQUAL(allocatedIn(file.get(), 0, kFileBytes), kRegionBytes);
}

}  // namespace czone::test
