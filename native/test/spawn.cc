// SPDX-License-Identifier: Apache-2.0
// The fork, as far as a kernel without zones can carry it out.
#include "fork/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "fork/pidfd.h"
#include "fork/zone.h"
#include "os/unique_fd.h"
#include "test/check.h"

namespace czone::test {
namespace {

struct Run {
  SpawnResult result;
  ExitStatus status;
  std::string out;
};

/** A shell script as the child; its output and how it ended. */
Run runShell(const std::string& script, const std::optional<OverlayMounts>& overlay = {}) {
  int pipe[2];
  CHECK_EQUAL(::pipe2(pipe, O_CLOEXEC), 0);
  UniqueFd reader(pipe[0]);
  UniqueFd writer(pipe[1]);
  SpawnRequest request;
  request.path = "/bin/sh";
  request.argv = {"sh", "-c", script};
  request.env = {"PATH=/usr/bin:/bin", "ONLY=this"};
  request.stdout_fd = writer.get();
  request.stderr_fd = writer.get();
  request.overlay = overlay;
  Run run;
  run.result = SpawnInZone(request);
  writer.reset();
  if (run.result.error != 0) return run;
  char bytes[512];
  ssize_t got = 0;
  while ((got = ::read(reader.get(), bytes, sizeof(bytes))) > 0) {
    run.out.append(bytes, static_cast<size_t>(got));
  }
  pollfd ended{run.result.pidfd, POLLIN, 0};
  CHECK_EQUAL(::poll(&ended, 1, 30'000), 1);
  run.status = ReapPidfd(run.result.pidfd);
  ::close(run.result.pidfd);
  return run;
}

size_t openDescriptors() {
  size_t found = 0;
  for (int fd = 0; fd < 1024; fd++) found += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return found;
}

bool noChildLeft() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

}  // namespace

TEST(a_child_has_only_what_it_was_given) {
  // Inherited on purpose: the child must not have it all the same.
  const UniqueFd stray(::open("/dev/null", O_RDONLY));
  const Run run = runShell("echo $ONLY $HOME; ls /proc/self/fd | wc -l; cat; exit 7");
  CHECK_EQUAL(run.result.error, 0);
  // 0, 1, 2 and the directory that ls reads.
  CHECK_EQUAL(run.out, std::string("this\n4\n"));
  CHECK_EQUAL(run.status.exit_code.value_or(-1), 7);
  CHECK(!run.status.signal);
}

TEST(a_child_begins_with_default_signals) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  auto* old = ::signal(SIGTERM, SIG_IGN);
  const Run run = runShell("kill -TERM $$; echo survived");
  ::signal(SIGTERM, old);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK_EQUAL(run.out, std::string());
  CHECK_EQUAL(run.status.signal.value_or(-1), SIGTERM);
}

TEST(a_failed_exec_is_told_and_leaves_nothing) {
  const size_t before = openDescriptors();
  SpawnRequest request;
  request.path = "/nonexistent/program";
  request.argv = {"program"};
  request.stdout_fd = 1;
  request.stderr_fd = 2;
  const SpawnResult result = SpawnInZone(request);
  CHECK_EQUAL(result.error, ENOENT);
  CHECK_EQUAL(std::string(result.step), "exec");
  CHECK(noChildLeft());
  CHECK_EQUAL(openDescriptors(), before);
}

TEST(closed_standard_descriptors_are_told) {
  SpawnRequest request;
  request.path = "/bin/true";
  request.argv = {"true"};
  request.stdout_fd = 1000;
  request.stderr_fd = 2;
  const SpawnResult result = SpawnInZone(request);
  CHECK_EQUAL(result.error, EBADF);
  CHECK_EQUAL(std::string(result.step), "stdio");
  CHECK(noChildLeft());
}

TEST(what_is_no_zone_is_refused_before_there_is_a_child) {
  const size_t before = openDescriptors();
  SpawnRequest request;
  request.path = "/bin/true";
  request.argv = {"true"};
  request.stdout_fd = 1;
  request.stderr_fd = 2;
  request.zone_fd = 0;
  const SpawnResult result = SpawnInZone(request);
  CHECK(result.error != 0);
  CHECK_EQUAL(std::string(result.step), "clone3");
  CHECK(noChildLeft());
  CHECK_EQUAL(openDescriptors(), before);
}

TEST(paths_that_would_change_the_mount_options_are_refused) {
  for (const char* path : {"/a,b", "/a:b", "/a\\b"}) {
    const Run run = runShell("true", OverlayMounts{path, "/s", "/r", 1 << 20});
    CHECK_EQUAL(run.result.error, EINVAL);
    CHECK_EQUAL(std::string(run.result.step), "mount-overlay");
  }
}

TEST(the_overlay_is_the_child_s_alone) {
  if (::geteuid() != 0) {
    std::printf("# skipped: mounting wants root\n");
    return;
  }
  char base[] = "/tmp/czone-spawn-XXXXXX";
  CHECK(::mkdtemp(base) != nullptr);
  const std::string at = base;
  for (const char* name : {"/lower", "/scratch", "/root"}) {
    CHECK_EQUAL(::mkdir((at + name).c_str(), 0755), 0);
  }
  ::close(::open((at + "/lower/image").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  const Run run =
      runShell("ls " + at + "/root; echo x > " + at + "/root/new; ls " + at + "/scratch/upper; " +
                   "df -B1 --output=size " + at + "/scratch | tail -n1 | tr -d ' '",
               OverlayMounts{at + "/lower", at + "/scratch", at + "/root", 1 << 20});
  const bool empty =
      ::rmdir((at + "/scratch").c_str()) == 0 && ::rmdir((at + "/root").c_str()) == 0;
  ::unlink((at + "/lower/image").c_str());
  ::rmdir((at + "/lower").c_str());
  ::rmdir(base);
  if (run.result.error == EPERM) {
    std::printf("# skipped: this container may not mount\n");
    return;
  }
  CHECK_EQUAL(run.result.error, 0);
  CHECK_EQUAL(run.out, std::string("image\nnew\n1048576\n"));
  CHECK(empty);
}

TEST(a_process_that_is_not_ours_has_no_status) {
  // Our parent's parent is none of our children.
  const int pidfd = OpenPidfd(1);
  if (pidfd < 0) return;
  const ExitStatus status = ReapPidfd(pidfd);
  ::close(pidfd);
  CHECK(!status.exit_code && !status.signal);
}

TEST(without_the_kernel_there_are_no_zones) {
  if (::access("/dev/czone", F_OK) == 0) return;
  CHECK_EQUAL(OpenZone(1), -ENOENT);
  czone_info info{};
  CHECK_EQUAL(GetZoneInfo(0, &info) < 0, true);
}

}  // namespace czone::test
