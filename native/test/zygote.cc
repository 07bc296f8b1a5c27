// SPDX-License-Identifier: Apache-2.0
// The library for runtimes that are zygotes, on a host without zones: the fork is a
// plain one.
#include "zygote/czone_zygote.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "fork/channel.h"
#include "os/unique_fd.h"
#include "test/check.h"

namespace czone::test {
namespace {

struct Ends {
  UniqueFd daemon, zygote;
};

Ends Open() {
  int ends[2];
  CHECK_EQUAL(MakeChannel(ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string Fork(uint64_t id, const std::vector<std::string>& environment) {
  std::string message("CZZ1\1\0\0\0", 8);
  message.append(reinterpret_cast<const char*>(&id), sizeof(id));
  auto count = static_cast<uint32_t>(environment.size());
  message.append(reinterpret_cast<const char*>(&count), sizeof(count));
  for (const std::string& text : environment) message.append(text.c_str(), text.size() + 1);
  return message;
}

struct Reply {
  uint16_t type = 0;
  uint64_t id = 0;
  std::string body;
};

Reply Receive(int fd) {
  char bytes[4096];
  long length = ReceiveMessage(fd, bytes, sizeof(bytes));
  CHECK(length >= 16);
  CHECK_EQUAL(std::string(bytes, 4), std::string("CZZ1"));
  Reply reply;
  std::memcpy(&reply.type, bytes + 4, sizeof(reply.type));
  std::memcpy(&reply.id, bytes + 8, sizeof(reply.id));
  reply.body.assign(bytes + 16, static_cast<size_t>(length) - 16);
  return reply;
}

int Nothing(int) { return 0; }

struct Pipe {
  UniqueFd reader, writer;
};

Pipe MakePipe() {
  int ends[2];
  CHECK_EQUAL(::pipe2(ends, O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string ReadAll(int fd) {
  std::string text;
  char bytes[512];
  ssize_t got;
  while ((got = ::read(fd, bytes, sizeof(bytes))) > 0) text.append(bytes, static_cast<size_t>(got));
  return text;
}

czone_zygote_request request;

}  // namespace

TEST(a_child_has_the_environment_and_the_outputs_of_its_request_and_no_other_descriptor) {
  Ends ends = Open();
  Pipe out = MakePipe();
  UniqueFd zone(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::string message = Fork(7, {"A=1", "B=two words"});
  CHECK_EQUAL(SendMessage(ends.daemon.get(), message.data(), message.size(),
                          {zone.get(), out.writer.get(), out.writer.get()}),
              0);
  out.writer.reset();
  CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), 1);
  CHECK_EQUAL(request.id, 7U);
  pid_t pid = czone_zygote_fork_by(ends.zygote.get(), &request, Nothing);
  if (pid == 0) {
    ::execl("/bin/sh", "sh", "-c", "echo $A $B $HOME; ls /proc/self/fd | wc -l", nullptr);
    ::_exit(127);
  }
  CHECK_EQUAL(pid, 1);
  // 0, 1, 2 and the directory that ls reads.
  CHECK_EQUAL(ReadAll(out.reader.get()), std::string("1 two words\n4\n"));
  ::wait(nullptr);
  Reply reply = Receive(ends.daemon.get());
  CHECK_EQUAL(reply.type, 18);
  CHECK_EQUAL(reply.id, 7U);
  CHECK_EQUAL(request.zone_fd, -1);
}

TEST(two_children_have_random_state_of_their_own) {
  std::vector<std::string> seen;
  for (int i = 0; i < 2; i++) {
    Ends ends = Open();
    Pipe out = MakePipe();
    UniqueFd zone(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::string message = Fork(1, {});
    CHECK_EQUAL(SendMessage(ends.daemon.get(), message.data(), message.size(),
                            {zone.get(), out.writer.get(), out.writer.get()}),
                0);
    out.writer.reset();
    CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), 1);
    if (czone_zygote_fork_by(ends.zygote.get(), &request, Nothing) == 0) {
      std::string text = std::to_string(::random()) + " " + std::to_string(::lrand48()) + " ";
      text.append(reinterpret_cast<const char*>(request.seed), sizeof(request.seed));
      ::_exit(::write(1, text.data(), text.size()) > 0 ? 0 : 1);
    }
    seen.push_back(ReadAll(out.reader.get()));
    ::wait(nullptr);
  }
  CHECK(!seen[0].empty());
  CHECK(seen[0] != seen[1]);
}

TEST(without_zones_the_request_fails_and_says_so) {
  Ends ends = Open();
  UniqueFd zone(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::string message = Fork(3, {"A=1"});
  CHECK_EQUAL(SendMessage(ends.daemon.get(), message.data(), message.size(),
                          {zone.get(), zone.get(), zone.get()}),
              0);
  CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), 1);
  CHECK_EQUAL(czone_zygote_fork(ends.zygote.get(), &request), -1);
  Reply reply = Receive(ends.daemon.get());
  CHECK_EQUAL(reply.type, 19);
  CHECK_EQUAL(reply.id, 3U);
  uint32_t error = 0;
  std::memcpy(&error, reply.body.data(), sizeof(error));
  CHECK_EQUAL(error, static_cast<uint32_t>(ENOTTY));
}

TEST(requests_that_make_no_sense_are_no_requests) {
  std::string good = Fork(1, {"A=1"});
  std::string no_equals = Fork(1, {"A"});
  std::string counted_wrong = good;
  counted_wrong[16] = 2;
  std::string other_magic = good;
  other_magic[0] = 'X';
  for (const std::string& message : {good.substr(0, 10), good.substr(0, good.size() - 1),
                                     good + "B", no_equals, counted_wrong, other_magic}) {
    Ends ends = Open();
    UniqueFd any(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK_EQUAL(SendMessage(ends.daemon.get(), message.data(), message.size(),
                            {any.get(), any.get(), any.get()}),
                0);
    CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), -1);
    CHECK_EQUAL(errno, EPROTO);
    CHECK_EQUAL(request.zone_fd, -1);
  }
  Ends ends = Open();
  CHECK_EQUAL(SendMessage(ends.daemon.get(), good.data(), good.size(), {}), 0);
  CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), -1);
  ends.daemon.reset();
  CHECK_EQUAL(czone_zygote_next(ends.zygote.get(), &request), 0);
}

TEST(an_open_file_is_no_safe_point) {
  Ends ends = Open();
  UniqueFd stray(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(czone_zygote_unsafe(ends.zygote.get()) != nullptr);
}

}  // namespace czone::test
