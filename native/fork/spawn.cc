// SPDX-License-Identifier: Apache-2.0
#include "fork/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fork/clone_args.h"

namespace czone {
namespace {

// In the order of SpawnStep.
const char* const kStepNames[] = {"clone3",        "unshare", "mount-scratch",
                                  "mount-overlay", "stdio",   "exec"};

constexpr size_t kPassedMax = 4;

enum class SpawnStep : uint32_t {
  kClone,
  kUnshare,
  kMountScratch,
  kMountOverlay,
  kStdio,
  kExec,
};

// What the child sends before it gives up.
struct Failure {
  uint32_t step;
  int32_t error;
};

// All that the child reads, made before the fork.
struct Prepared {
  std::vector<char*> argv, env;
  std::string scratch_options, overlay_options, upper, work;
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Characters that end an option or a directory in overlay's options.
bool FitsMountOptions(const std::string& path) {
  return path.find_first_of(",:\\") == std::string::npos;
}

Prepared Prepare(const SpawnRequest& request) {
  Prepared prepared;
  prepared.argv = Pointers(request.argv);
  prepared.env = Pointers(request.env);
  if (request.overlay) {
    const OverlayMounts& overlay = *request.overlay;
    prepared.upper = overlay.scratch + "/upper";
    prepared.work = overlay.scratch + "/work";
    prepared.scratch_options = "mode=0755,size=" + std::to_string(overlay.size_bytes);
    prepared.overlay_options =
        "lowerdir=" + overlay.lower + ",upperdir=" + prepared.upper + ",workdir=" + prepared.work;
  }
  return prepared;
}

// In the child: async-signal-safe calls only, and no memory is allocated.
[[noreturn]] void GiveUp(int report_fd, SpawnStep step) {
  Failure failure = {static_cast<uint32_t>(step), errno};
  // The pipe is empty and the failure smaller than PIPE_BUF: one write is enough.
  ssize_t ignored = write(report_fd, &failure, sizeof(failure));
  (void)ignored;
  _exit(127);
}

void MakeMounts(const OverlayMounts& overlay, const Prepared& prepared, int report_fd) {
  if (unshare(CLONE_NEWNS) < 0) GiveUp(report_fd, SpawnStep::kUnshare);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
    GiveUp(report_fd, SpawnStep::kUnshare);
  if (mount("tmpfs", overlay.scratch.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
            prepared.scratch_options.c_str()) < 0 ||
      mkdir(prepared.upper.c_str(), 0755) < 0 || mkdir(prepared.work.c_str(), 0700) < 0)
    GiveUp(report_fd, SpawnStep::kMountScratch);
  if (mount("overlay", overlay.root.c_str(), "overlay", MS_NOSUID | MS_NODEV,
            prepared.overlay_options.c_str()) < 0)
    GiveUp(report_fd, SpawnStep::kMountOverlay);
}

// The child's descriptors: 0 to 2, what is passed on from 3 on, nothing else. Their
// numbers may be taken by the very descriptors that are to be moved; so all are moved
// above first, the one for reports too.
void SetDescriptors(const SpawnRequest& request, int& report_fd) {
  const int count = static_cast<int>(request.passed_fds.size());
  const int above = 3 + count;
  report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, above);
  if (report_fd < 0) _exit(127);
  int from[3 + kPassedMax] = {open("/dev/null", O_RDONLY | O_CLOEXEC), request.stdout_fd,
                              request.stderr_fd};
  for (int i = 0; i < count; i++) from[3 + i] = request.passed_fds[static_cast<size_t>(i)];
  for (int i = 0; i < above; i++) {
    from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, above);
    if (from[i] < 0) GiveUp(report_fd, SpawnStep::kStdio);
  }
  for (int i = 0; i < above; i++) {
    if (dup2(from[i], i) < 0) GiveUp(report_fd, SpawnStep::kStdio);
  }
  // The zone's descriptor above all must not reach the container.
  if (syscall(SYS_close_range, static_cast<unsigned>(above), ~0U, CLOSE_RANGE_CLOEXEC) < 0)
    GiveUp(report_fd, SpawnStep::kStdio);
}

[[noreturn]] void RunChild(const SpawnRequest& request, const Prepared& prepared, int report_fd) {
  sigset_t none;
  if (request.overlay) MakeMounts(*request.overlay, prepared, report_fd);
  SetDescriptors(request, report_fd);
  // CLONE_CLEAR_SIGHAND leaves ignored signals ignored, and Node ignores SIGPIPE.
  struct sigaction defaults = {};
  defaults.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &defaults, nullptr);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A session of its own: no signal meant for the daemon's group reaches it.
  setsid();
  execve(request.path.c_str(), prepared.argv.data(), prepared.env.data());
  GiveUp(report_fd, SpawnStep::kExec);
}

SpawnResult Failed(SpawnStep step, int error) {
  SpawnResult result;
  result.step = kStepNames[static_cast<uint32_t>(step)];
  result.error = error;
  return result;
}

// Waits for the child's failure, or for its exec, which closes the pipe.
SpawnResult AwaitExec(int report_fd, int pid, int pidfd) {
  Failure failure = {};
  ssize_t length;
  do {
    length = read(report_fd, &failure, sizeof(failure));
  } while (length < 0 && errno == EINTR);
  if (length == 0) {
    SpawnResult result;
    result.pid = pid;
    result.pidfd = pidfd;
    return result;
  }
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) < 0 && errno == EINTR) {
  }
  close(pidfd);
  bool whole = length == sizeof(failure) && failure.step <= static_cast<uint32_t>(SpawnStep::kExec);
  return whole ? Failed(static_cast<SpawnStep>(failure.step), failure.error)
               : Failed(SpawnStep::kExec, EIO);
}

}  // namespace

SpawnResult SpawnInZone(const SpawnRequest& request) {
  if (request.passed_fds.size() > kPassedMax) return Failed(SpawnStep::kStdio, EINVAL);
  if (request.overlay &&
      !(FitsMountOptions(request.overlay->lower) && FitsMountOptions(request.overlay->scratch))) {
    return Failed(SpawnStep::kMountOverlay, EINVAL);
  }
  Prepared prepared = Prepare(request);
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) return Failed(SpawnStep::kClone, errno);
  // Numbers below 3 would be lost in SetDescriptors().
  int writer = fcntl(report[1], F_DUPFD_CLOEXEC, 3);
  close(report[1]);
  if (writer < 0) {
    int error = errno;
    close(report[0]);
    return Failed(SpawnStep::kClone, error);
  }

  int pidfd = -1;
  CloneArgs args = ForkArguments(request.zone_fd, request.cgroup_fd, &pidfd);

  // No signal may run a handler of the caller in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = ForkInto(&args);
  if (pid == 0) RunChild(request, prepared, writer);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(writer);
  SpawnResult result = pid < 0 ? Failed(SpawnStep::kClone, error)
                               : AwaitExec(report[0], static_cast<int>(pid), pidfd);
  close(report[0]);
  return result;
}

}  // namespace czone
