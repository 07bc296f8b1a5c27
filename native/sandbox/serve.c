/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/czone.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "czone_sandbox.h"

enum { DESCRIPTORS = 3 };

/* struct clone_args of a kernel with czones; the headers at hand may know it not. */
struct clone_args_czone {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup, czone;
};
_Static_assert(sizeof(struct clone_args_czone) == CZONE_CLONE_ARGS_SIZE, "clone_args with czone");

struct descriptors {
  int zone, cgroup, network;
};

struct server {
  int channel;
  /* Of this process's parent. */
  int owner;
  struct {
    pid_t pid; /* 0: free */
    uint64_t id;
  } helpers[CZONE_SANDBOX_HELPERS_MAX];
  struct czone_sandbox_request request;
};

/* setns(2) and unshare(2) are in sched.h, which linux/sched.h does not get along with. */
extern int setns(int fd, int kind);
extern int unshare(int flags);

static int say(int channel, uint16_t type, uint64_t id, int32_t first, int32_t second) {
  struct {
    char magic[4];
    uint16_t type;
    uint16_t zero;
    uint64_t id;
    int32_t numbers[2];
  } message = {{'C', 'Z', 'S', '1'}, type, 0, id, {first, second}};
  _Static_assert(sizeof(message) == 24, "the message has no holes");

  return send(channel, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void give_up(const struct server* server, int32_t step) {
  say(server->channel, CZONE_SANDBOX_FAILED, server->request.id, step, errno);
  _exit(127);
}

/* In the helper. */
static void make_sandbox(const struct server* server, const struct descriptors* fds) {
  const int namespaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID;
  const struct czone_sandbox_request* request = &server->request;
  struct czone_sandbox sandbox = {.owner = server->owner};

  /* The modes of nodes and directories are those that are asked for. */
  umask(0);
  if (unshare(namespaces) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    give_up(server, CZONE_SANDBOX_UNSHARE);
  if (setns(fds->network, CLONE_NEWNET) < 0) give_up(server, CZONE_SANDBOX_NETWORK);
  for (size_t i = 0; i < request->count; i++) {
    if (czone_sandbox_carry(&request->steps[i]) < 0) give_up(server, (int32_t)i);
  }
  umask(022);
  if (ioctl(fds->zone, CZONE_IOC_SET_SANDBOX, &sandbox) < 0)
    give_up(server, CZONE_SANDBOX_HAND_OVER);
  _exit(0);
}

static long fork_into(const struct descriptors* fds) {
  struct clone_args_czone args = {
      .flags = CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP | CZONE_CLONE_INTO_CZONE,
      .exit_signal = SIGCHLD,
      .cgroup = (uint64_t)fds->cgroup,
      .czone = (uint64_t)fds->zone,
  };

  return syscall(SYS_clone3, &args, sizeof(args));
}

static int start_helper(struct server* server, const struct descriptors* fds) {
  size_t place = 0;
  long pid = -1;

  while (place < CZONE_SANDBOX_HELPERS_MAX && server->helpers[place].pid != 0) place++;
  errno = EAGAIN;
  if (place < CZONE_SANDBOX_HELPERS_MAX) pid = fork_into(fds);
  if (pid == 0) make_sandbox(server, fds);
  if (pid > 0) {
    server->helpers[place].pid = (pid_t)pid;
    server->helpers[place].id = server->request.id;
    return 0;
  }
  if (say(server->channel, CZONE_SANDBOX_FAILED, server->request.id, CZONE_SANDBOX_FORK, errno) < 0)
    return -1;
  return say(server->channel, CZONE_SANDBOX_ENDED, server->request.id, 0, 127 << 8);
}

/* Three, or none; what came is closed then. As in czone_zygote.c, which stands alone. */
static int take_descriptors(struct msghdr* message, struct descriptors* taken) {
  int fds[8];
  size_t count = 0;
  struct cmsghdr* part = CMSG_FIRSTHDR(message);

  if (part != NULL && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
    count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(part), count * sizeof(int));
  }
  if (count == DESCRIPTORS && (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
    *taken = (struct descriptors){fds[0], fds[1], fds[2]};
    return 0;
  }
  while (count > 0) close(fds[--count]);
  return -1;
}

/* 1; 0 at the end of the channel; -1 and errno. */
static int serve_one(struct server* server) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * 8)];
  } control;
  struct iovec part = {server->request.bytes, sizeof(server->request.bytes)};
  struct msghdr message = {
      .msg_iov = &part,
      .msg_iovlen = 1,
      .msg_control = control.bytes,
      .msg_controllen = sizeof(control.bytes),
  };
  struct descriptors fds;
  ssize_t length = recvmsg(server->channel, &message, MSG_CMSG_CLOEXEC);

  if (length < 0) return errno == EINTR ? 1 : -1;
  if (length == 0) return 0;
  int result = -1;
  if (take_descriptors(&message, &fds) == 0) {
    result = czone_sandbox_parse(&server->request, (size_t)length);
    if (result == 0)
      result = start_helper(server, &fds);
    else
      errno = EPROTO;
    int error = errno;
    close(fds.zone);
    close(fds.cgroup);
    close(fds.network);
    errno = error;
  } else {
    errno = EPROTO;
  }
  return result < 0 ? -1 : 1;
}

static int reap(struct server* server) {
  int status;
  pid_t pid;

  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (size_t i = 0; i < CZONE_SANDBOX_HELPERS_MAX; i++) {
      if (server->helpers[i].pid != pid) continue;
      server->helpers[i].pid = 0;
      if (say(server->channel, CZONE_SANDBOX_ENDED, server->helpers[i].id, pid, status) < 0)
        return -1;
    }
  }
  return 0;
}

/* A signal for each child that ends, as a descriptor that is readable. */
static int watch_children(void) {
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(struct server* server, int children) {
  struct pollfd waiting[] = {{server->channel, POLLIN, 0}, {children, POLLIN, 0}};

  for (;;) {
    if (poll(waiting, 2, -1) < 0) {
      if (errno != EINTR) return -1;
      continue;
    }
    if (waiting[1].revents != 0) {
      struct signalfd_siginfo ignored;
      while (read(children, &ignored, sizeof(ignored)) > 0) {
      }
      if (reap(server) < 0) return -1;
    }
    if (waiting[0].revents == 0) continue;
    int result = serve_one(server);
    if (result <= 0) return result;
  }
}

int czone_sandbox_serve(int channel) {
  static struct server server;
  int children = watch_children();

  if (children < 0) return -1;
  memset(server.helpers, 0, sizeof(server.helpers));
  server.channel = channel;
  server.owner = (int)syscall(SYS_pidfd_open, getppid(), 0);
  int result = server.owner < 0 ? -1 : serve(&server, children);
  int error = errno;
  if (server.owner >= 0) close(server.owner);
  close(children);
  errno = error;
  return result;
}
