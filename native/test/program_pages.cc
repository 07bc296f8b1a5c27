// SPDX-License-Identifier: Apache-2.0
// Pages of a mapped file leave memory and come back as they were.
#include "process_memory/program_pages.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "test/check.h"

namespace czone::test {
namespace {

constexpr size_t kPages = 256;
constexpr size_t kPageBytes = 4096;

/** Each page starts with a byte of its own. On the disk that the tests run from. */
struct MappedFile {
  char* at;
  explicit MappedFile(int protection, int sharing) {
    std::string path = "program_pages.XXXXXX";
    const UniqueFd fd(::mkstemp(path.data()));
    CHECK(fd.valid());
    CHECK_EQUAL(::unlink(path.c_str()), 0);
    std::vector<char> page(kPageBytes);
    for (size_t i = 0; i < kPages; i++) {
      page[0] = static_cast<char>(i);
      CHECK_EQUAL(::write(fd.get(), page.data(), page.size()), static_cast<ssize_t>(page.size()));
    }
    // Pages that are to be written first stay.
    CHECK_EQUAL(::fsync(fd.get()), 0);
    at = static_cast<char*>(::mmap(nullptr, kPages * kPageBytes, protection, sharing, fd.get(), 0));
    CHECK(at != MAP_FAILED);
    touch();
  }
  ~MappedFile() { ::munmap(at, kPages * kPageBytes); }

  void touch() const {
    for (size_t i = 0; i < kPages; i++) {
      CHECK_EQUAL(*static_cast<volatile char*>(at + i * kPageBytes), static_cast<char>(i));
    }
  }

  size_t inMemory() const {
    unsigned char there[kPages];
    CHECK_EQUAL(::mincore(at, kPages * kPageBytes, there), 0);
    size_t count = 0;
    for (const unsigned char one : there) count += one & 1;
    return count;
  }
};

TEST(WhatIsOnlyReadLeavesAndComesBack) {
  const MappedFile file(PROT_READ, MAP_PRIVATE);
  CHECK_EQUAL(file.inMemory(), kPages);
  CHECK_EQUAL(pageOutProgram(::getpid()), 0);
  CHECK(file.inMemory() < kPages / 8);
  file.touch();
}

TEST(WhatIsWrittenToOrSharedStays) {
  const MappedFile written(PROT_READ | PROT_WRITE, MAP_PRIVATE);
  const MappedFile shared(PROT_READ, MAP_SHARED);
  CHECK_EQUAL(pageOutProgram(::getpid()), 0);
  CHECK_EQUAL(written.inMemory(), kPages);
  CHECK_EQUAL(shared.inMemory(), kPages);
}

TEST(WhatAnotherMapsStays) {
  const MappedFile file(PROT_READ, MAP_PRIVATE);
  int ready[2];
  CHECK_EQUAL(::pipe2(ready, O_CLOEXEC), 0);
  const UniqueFd reader(ready[0]);
  UniqueFd writer(ready[1]);
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    // A fork copies no page tables of files.
    file.touch();
    (void)!::write(writer.get(), "", 1);
    for (;;) ::pause();
  }
  writer.reset();
  char byte = 0;
  CHECK_EQUAL(::read(reader.get(), &byte, 1), 1);
  CHECK_EQUAL(pageOutProgram(::getpid()), 0);
  CHECK_EQUAL(file.inMemory(), kPages);

  // Asked of the other process, which alone has them now.
  CHECK_EQUAL(::madvise(file.at, kPages * kPageBytes, MADV_DONTNEED), 0);
  CHECK_EQUAL(pageOutProgram(child), 0);
  CHECK(file.inMemory() < kPages / 8);
  CHECK_EQUAL(::kill(child, SIGKILL), 0);
  CHECK_EQUAL(::waitpid(child, nullptr, 0), child);
}

TEST(AMissingPageIsReadAlone) {
  const MappedFile file(PROT_READ, MAP_PRIVATE);
  const auto readOne = [&file] {
    CHECK_EQUAL(pageOutProgram(::getpid()), 0);
    const size_t before = file.inMemory();
    CHECK_EQUAL(*(static_cast<volatile char*>(file.at) + kPages / 2 * kPageBytes),
                static_cast<char>(kPages / 2));
    return file.inMemory() - before;
  };
  CHECK(readOne() > 1);
  CHECK_EQUAL(readNoneAround(), 0);
  CHECK_EQUAL(readOne(), 1U);
  file.touch();
}

TEST(WhoIsGoneIsAnError) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  CHECK_EQUAL(::waitpid(child, nullptr, 0), child);
  CHECK_EQUAL(pageOutProgram(child), ESRCH);
  CHECK_EQUAL(pageOutProgram(-1), EINVAL);
}

}  // namespace
}  // namespace czone::test
