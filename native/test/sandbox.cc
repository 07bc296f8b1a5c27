// SPDX-License-Identifier: Apache-2.0
// The sandbox maker on a host without zones: what it reads, what its steps do, and how it
// answers where no helper can be forked.
#include "sandbox/czone_sandbox.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fork/channel.h"
#include "os/unique_fd.h"
#include "test/check.h"

namespace czone::test {
namespace {

using Texts = std::vector<std::string>;

std::string Header(uint64_t id, uint16_t type = CZONE_SANDBOX_MAKE, uint16_t zero = 0) {
  std::string message("CZS1", 4);
  message.append(reinterpret_cast<const char*>(&type), sizeof(type));
  message.append(reinterpret_cast<const char*>(&zero), sizeof(zero));
  message.append(reinterpret_cast<const char*>(&id), sizeof(id));
  return message;
}

std::string Step(const Texts& texts) {
  std::string step;
  for (const std::string& text : texts) step.append(text.c_str(), text.size() + 1);
  return step;
}

const Texts kMkdir = {"mkdir", "/a", "", "", "", "493", "0"};

using Request = std::unique_ptr<czone_sandbox_request>;

int Parse(const Request& request, const std::string& message) {
  // What came before must not be taken for a part of it.
  std::memset(request->bytes, 'x', sizeof(request->bytes));
  std::memcpy(request->bytes, message.data(), message.size());
  return czone_sandbox_parse(request.get(), message.size());
}

Request NewRequest() { return std::make_unique<czone_sandbox_request>(); }

czone_sandbox_step StepOf(czone_sandbox_act act, const char* path, const char* source = "",
                          uint64_t number = 0, uint64_t device = 0) {
  return {act, path, source, "", "", number, device};
}

struct Directory {
  std::string path;

  Directory() {
    char name[] = "/tmp/czone-sandbox-XXXXXX";
    CHECK(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() {
    std::string command = "rm -rf " + path;
    if (std::system(command.c_str()) != 0) std::abort();
  }
};

}  // namespace

TEST(ARequestIsRead) {
  Request request = NewRequest();
  std::string steps = Step(kMkdir) + Step({"mount", "/p", "s", "t", "d", "14", "0"}) +
                      Step({"device", "/dev/null", "", "", "", "8630", "259"});
  CHECK_EQUAL(Parse(request, Header(7) + steps), 0);
  CHECK_EQUAL(request->id, 7U);
  CHECK_EQUAL(request->count, 3U);
  CHECK_EQUAL(std::string(request->steps[0].path), std::string("/a"));
  CHECK_EQUAL(request->steps[0].number, 0755U);
  const czone_sandbox_step& mount = request->steps[1];
  CHECK_EQUAL(std::string(mount.source) + mount.type + mount.data, std::string("std"));
  CHECK_EQUAL(request->steps[2].device, 259U);
  CHECK_EQUAL(Parse(request, Header(8)), 0);
  CHECK_EQUAL(request->count, 0U);
}

TEST(WhatIsNoRequestIsRefused) {
  Request request = NewRequest();
  std::string step = Step(kMkdir);
  CHECK_EQUAL(Parse(request, ""), -1);
  CHECK_EQUAL(Parse(request, Header(1).substr(0, 15)), -1);
  CHECK_EQUAL(Parse(request, "CZZ1" + Header(1).substr(4) + step), -1);
  CHECK_EQUAL(Parse(request, Header(1, 2) + step), -1);
  CHECK_EQUAL(Parse(request, Header(1, CZONE_SANDBOX_MAKE, 1) + step), -1);
  for (size_t length = 1; length < step.size(); length++)
    CHECK_EQUAL(Parse(request, Header(1) + step.substr(0, length)), -1);
  CHECK_EQUAL(Parse(request, Header(1) + step + "x"), -1);
}

TEST(ActsAndNumbersAreChecked) {
  Request request = NewRequest();
  auto with = [&](size_t place, const std::string& text) {
    Texts texts = kMkdir;
    texts[place] = text;
    return Parse(request, Header(1) + Step(texts));
  };
  CHECK_EQUAL(with(0, "format"), -1);
  CHECK_EQUAL(with(0, ""), -1);
  for (size_t place : {5U, 6U}) {
    for (const char* text : {"", "-1", " 1", "1 ", "0x1", "18446744073709551616"})
      CHECK_EQUAL(with(place, text), -1);
    CHECK_EQUAL(with(place, "18446744073709551615"), 0);
  }
}

TEST(StepsAreCounted) {
  Request request = NewRequest();
  std::string steps;
  for (int i = 0; i < CZONE_SANDBOX_STEPS_MAX; i++) steps += Step(kMkdir);
  CHECK_EQUAL(Parse(request, Header(1) + steps), 0);
  CHECK_EQUAL(request->count, static_cast<size_t>(CZONE_SANDBOX_STEPS_MAX));
  CHECK_EQUAL(Parse(request, Header(1) + steps + Step(kMkdir)), -1);
  CHECK_EQUAL(czone_sandbox_parse(request.get(), sizeof(request->bytes) + 1), -1);
}

TEST(DirectoriesMayBeThereLinksMayNot) {
  Directory directory;
  std::string made = directory.path + "/made", link = directory.path + "/link";
  czone_sandbox_step mkdir_step = StepOf(CZONE_ACT_MKDIR, made.c_str(), "", 0750);
  CHECK_EQUAL(czone_sandbox_carry(&mkdir_step), 0);
  CHECK_EQUAL(czone_sandbox_carry(&mkdir_step), 0);
  czone_sandbox_step symlink_step = StepOf(CZONE_ACT_SYMLINK, link.c_str(), "/tmp");
  CHECK_EQUAL(czone_sandbox_carry(&symlink_step), 0);
  czone_sandbox_step over_link = StepOf(CZONE_ACT_MKDIR, link.c_str(), "", 0750);
  CHECK_EQUAL(czone_sandbox_carry(&over_link), -1);
  CHECK_EQUAL(errno, ENOTDIR);
  czone_sandbox_step own = StepOf(CZONE_ACT_OWN, link.c_str(), "", 65534, 65534);
  CHECK_EQUAL(czone_sandbox_carry(&own), 0);
  struct stat status;
  CHECK_EQUAL(::lstat(link.c_str(), &status), 0);
  CHECK_EQUAL(status.st_uid, 65534U);
}

TEST(WhatIsNotThereNeedsNoMask) {
  czone_sandbox_step mask = StepOf(CZONE_ACT_MASK, "/nowhere/at/all");
  CHECK_EQUAL(czone_sandbox_carry(&mask), 0);
  czone_sandbox_step read_only = StepOf(CZONE_ACT_READ_ONLY, "/nowhere/at/all");
  CHECK_EQUAL(czone_sandbox_carry(&read_only), 0);
  czone_sandbox_step chdir_step = StepOf(CZONE_ACT_CHDIR, "/nowhere/at/all");
  CHECK_EQUAL(czone_sandbox_carry(&chdir_step), -1);
  CHECK_EQUAL(errno, ENOENT);
}

TEST(AnAddressThatIsNoneIsRefused) {
  czone_sandbox_step address = {CZONE_ACT_ADDRESS, "", "10.0.2.x", "", "10.0.2.2", 0, 0};
  CHECK_EQUAL(czone_sandbox_carry(&address), -1);
  CHECK_EQUAL(errno, EINVAL);
}

namespace {

// Serves in a child, as in the guest, whose parent is the daemon.
struct Served {
  UniqueFd channel;
  pid_t pid = -1;

  Served() {
    int ends[2];
    CHECK_EQUAL(MakeChannel(ends), 0);
    pid = ::fork();
    if (pid == 0) {
      ::close(ends[0]);
      ::_exit(czone_sandbox_serve(ends[1]) == 0 ? 0 : errno);
    }
    ::close(ends[1]);
    channel.reset(ends[0]);
  }

  int Exit() {
    channel.reset();
    int status = 0;
    CHECK_EQUAL(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

struct Answer {
  uint16_t type = 0;
  uint64_t id = 0;
  int32_t numbers[2] = {};
};

Answer Receive(int fd) {
  char bytes[64];
  CHECK_EQUAL(::recv(fd, bytes, sizeof(bytes), 0), 24);
  CHECK_EQUAL(std::string(bytes, 4), std::string("CZS1"));
  Answer answer;
  std::memcpy(&answer.type, bytes + 4, sizeof(answer.type));
  std::memcpy(&answer.id, bytes + 8, sizeof(answer.id));
  std::memcpy(answer.numbers, bytes + 16, sizeof(answer.numbers));
  return answer;
}

int Send(const Served& served, const std::string& message, const std::vector<int>& fds) {
  return SendMessage(served.channel.get(), message.data(), message.size(), fds);
}

}  // namespace

TEST(ItEndsWithItsChannel) {
  Served served;
  CHECK_EQUAL(served.Exit(), 0);
}

TEST(WhereNoHelperCanBeForkedItSaysSoAndServesOn) {
  Served served;
  UniqueFd none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<int> fds(3, none.get());
  for (uint64_t id : {5U, 6U}) {
    CHECK_EQUAL(Send(served, Header(id) + Step(kMkdir), fds), 0);
    Answer failed = Receive(served.channel.get());
    CHECK_EQUAL(failed.type, static_cast<uint16_t>(CZONE_SANDBOX_FAILED));
    CHECK_EQUAL(failed.id, id);
    CHECK_EQUAL(failed.numbers[0], static_cast<int32_t>(CZONE_SANDBOX_FORK));
    CHECK(failed.numbers[1] > 0);
    Answer ended = Receive(served.channel.get());
    CHECK_EQUAL(ended.type, static_cast<uint16_t>(CZONE_SANDBOX_ENDED));
    CHECK_EQUAL(ended.id, id);
    CHECK_EQUAL(ended.numbers[0], 0);
    CHECK(ended.numbers[1] != 0);
  }
  CHECK_EQUAL(served.Exit(), 0);
}

TEST(NonsenseEndsIt) {
  UniqueFd none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<int> three(3, none.get()), two(2, none.get()), four(4, none.get());
  const struct {
    std::string message;
    std::vector<int> fds;
  } kCases[] = {{"hello", three},
                {Header(1) + Step(kMkdir), two},
                {Header(1) + Step(kMkdir), four},
                {Header(1) + Step(kMkdir), {}},
                {Header(1) + std::string(CZONE_SANDBOX_BYTES_MAX, 'x'), three}};
  for (const auto& one : kCases) {
    Served served;
    CHECK_EQUAL(Send(served, one.message, one.fds), 0);
    char byte;
    CHECK_EQUAL(::recv(served.channel.get(), &byte, 1, 0), 0);
    CHECK_EQUAL(served.Exit(), EPROTO);
  }
}

}  // namespace czone::test
