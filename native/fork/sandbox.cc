// SPDX-License-Identifier: Apache-2.0
// Between fork and exit the helper makes system calls only and allocates nothing: the
// caller has threads, and the helper a copy of whatever locks they held.
#include "fork/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/czone.h>
#include <net/if.h>
#include <net/route.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>

#include "fork/clone_args.h"

namespace czone {
namespace {

constexpr char kInterface[] = "eth0";

[[noreturn]] void GiveUp(int report_fd, int32_t step) {
  SandboxFailure failure;
  failure.step = step;
  failure.error = errno;
  // The pipe is empty and the failure smaller than PIPE_BUF: one write is enough.
  ssize_t ignored = write(report_fd, &failure, sizeof(failure));
  (void)ignored;
  _exit(127);
}

void SetInternetAddress(struct sockaddr* place, in_addr_t address) {
  struct sockaddr_in internet = {};
  internet.sin_family = AF_INET;
  internet.sin_addr.s_addr = address;
  std::memcpy(place, &internet, sizeof(internet));
}

// inet_addr() takes no lock and allocates nothing.
bool SetAddress(const char* address, const char* gateway) {
  int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return false;
  struct ifreq request = {};
  std::memcpy(request.ifr_name, kInterface, sizeof(kInterface));
  SetInternetAddress(&request.ifr_addr, inet_addr(address));
  if (ioctl(socket_fd, SIOCSIFADDR, &request) < 0) return false;
  SetInternetAddress(&request.ifr_netmask, inet_addr("255.255.255.0"));
  if (ioctl(socket_fd, SIOCSIFNETMASK, &request) < 0) return false;
  if (ioctl(socket_fd, SIOCGIFFLAGS, &request) < 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(socket_fd, SIOCSIFFLAGS, &request) < 0) return false;
  struct rtentry route = {};
  SetInternetAddress(&route.rt_dst, 0);
  SetInternetAddress(&route.rt_genmask, 0);
  SetInternetAddress(&route.rt_gateway, inet_addr(gateway));
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (ioctl(socket_fd, SIOCADDRT, &route) < 0) return false;
  return close(socket_fd) == 0;
}

bool MakeDirectory(const char* path, mode_t mode) {
  struct stat status;
  if (mkdir(path, mode) == 0) return true;
  if (errno != EEXIST || lstat(path, &status) < 0) return false;
  // A link, which an image may hold, would lead out of it.
  errno = ENOTDIR;
  return S_ISDIR(status.st_mode);
}

bool RemountReadOnly(const char* path, unsigned long flags) {
  return mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, nullptr) == 0;
}

bool Mask(const char* path) {
  struct stat status;
  if (lstat(path, &status) < 0) return errno == ENOENT || errno == EACCES;
  int result = S_ISDIR(status.st_mode) ? mount("tmpfs", path, "tmpfs", 0, "size=0k")
                                       : mount("/dev/null", path, nullptr, MS_BIND, nullptr);
  return result == 0 && RemountReadOnly(path, 0);
}

bool MakeReadOnly(const char* path) {
  if (mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) < 0) return errno == ENOENT;
  return RemountReadOnly(path, MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

bool Pivot(const char* path) {
  return chdir(path) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
         umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

bool Carry(const SandboxStep& step) {
  const char* path = step.path.c_str();
  switch (step.act) {
    case SandboxStep::Act::kMkdir:
      return MakeDirectory(path, static_cast<mode_t>(step.number));
    case SandboxStep::Act::kMount:
      return mount(step.source.empty() ? nullptr : step.source.c_str(), path,
                   step.type.empty() ? nullptr : step.type.c_str(),
                   static_cast<unsigned long>(step.number),
                   step.data.empty() ? nullptr : step.data.c_str()) == 0;
    case SandboxStep::Act::kDevice:
      return mknod(path, static_cast<mode_t>(step.number), static_cast<dev_t>(step.device)) == 0;
    case SandboxStep::Act::kOwn:
      return lchown(path, static_cast<uid_t>(step.number), static_cast<gid_t>(step.device)) == 0;
    case SandboxStep::Act::kSymlink:
      return symlink(step.source.c_str(), path) == 0;
    case SandboxStep::Act::kMask:
      return Mask(path);
    case SandboxStep::Act::kReadOnly:
      return MakeReadOnly(path);
    case SandboxStep::Act::kPivot:
      return Pivot(path);
    case SandboxStep::Act::kChdir:
      return chdir(path) == 0;
    case SandboxStep::Act::kHostname:
      return sethostname(step.source.c_str(), step.source.size()) == 0;
    case SandboxStep::Act::kAddress:
      return SetAddress(step.source.c_str(), step.data.c_str());
  }
  errno = EINVAL;
  return false;
}

[[noreturn]] void RunHelper(const SandboxRequest& request, int report_fd) {
  constexpr int kNamespaces =
      CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID;
  // The modes of nodes and directories are those that are asked for.
  umask(0);
  if (unshare(kNamespaces) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
    GiveUp(report_fd, SandboxFailure::kUnshare);
  if (request.network_fd >= 0 && setns(request.network_fd, CLONE_NEWNET) < 0)
    GiveUp(report_fd, SandboxFailure::kNetwork);
  int32_t count = 0;
  for (const SandboxStep& step : request.steps) {
    if (!Carry(step)) GiveUp(report_fd, count);
    count++;
  }
  umask(022);
  // The caller becomes the parent of whoever is forked into the sandbox.
  struct czone_sandbox sandbox = {};
  sandbox.owner = static_cast<int32_t>(syscall(SYS_pidfd_open, getppid(), 0));
  if (sandbox.owner < 0 || ioctl(request.zone_fd, CZONE_IOC_SET_SANDBOX, &sandbox) < 0)
    GiveUp(report_fd, SandboxFailure::kHandOver);
  _exit(0);
}

}  // namespace

SandboxHelper StartSandboxHelper(const SandboxRequest& request) {
  SandboxHelper helper;
  int report[2];
  if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
    helper.error = errno;
    return helper;
  }
  CloneArgs args = ForkArguments(request.zone_fd, request.cgroup_fd, &helper.pidfd);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = ForkInto(&args);
  if (pid == 0) RunHelper(request, report[1]);
  if (pid < 0) helper.error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(report[1]);
  if (pid < 0) {
    close(report[0]);
    helper.pidfd = -1;
    return helper;
  }
  helper.pid = static_cast<int>(pid);
  helper.report_fd = report[0];
  return helper;
}

bool ReadSandboxFailure(int report_fd, SandboxFailure* failure) {
  ssize_t length = read(report_fd, failure, sizeof(*failure));
  close(report_fd);
  return length == static_cast<ssize_t>(sizeof(*failure));
}

}  // namespace czone
