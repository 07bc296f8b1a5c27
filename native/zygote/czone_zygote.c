/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "czone_zygote.h"

#include <dirent.h>
#include <errno.h>
#include <linux/czone.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FORK = 1, READY = 16, REFUSED = 17, FORKED = 18, FAILED = 19 };
enum { TEXT_MAX = 1000, DESCRIPTORS = 3 };

struct header {
  char magic[4];
  uint16_t type;
  uint16_t zero;
  uint64_t id;
};
_Static_assert(sizeof(struct header) == 16, "the header has no holes");

extern char** environ;

int czone_zygote_channel(void) {
  int type = 0;
  socklen_t length = sizeof(type);

  if (getsockopt(CZONE_ZYGOTE_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return -1;
  return type == SOCK_SEQPACKET ? CZONE_ZYGOTE_CHANNEL_FD : -1;
}

/* Entries of a directory of numbers that are above `above` and not among the exceptions. */
static int count_numbers(const char* path, int above, int first, int second) {
  struct dirent* entry;
  DIR* directory = opendir(path);
  int count = 0;

  if (directory == NULL) return -1;
  while ((entry = readdir(directory)) != NULL) {
    int number = atoi(entry->d_name);

    if (entry->d_name[0] != '.' && number > above && number != first && number != second &&
        number != dirfd(directory))
      count++;
  }
  closedir(directory);
  return count;
}

const char* czone_zygote_unsafe(int channel) {
  if (count_numbers("/proc/self/task", -1, -1, -1) != 1) return "threads run beside the main one";
  if (count_numbers("/proc/self/fd", 2, channel, CZONE_ZYGOTE_DAEMON_FD) != 0)
    return "files or sockets are open";
  return NULL;
}

static int say(int channel, uint16_t type, uint64_t id, const void* body, size_t length) {
  char message[sizeof(struct header) + 4 + TEXT_MAX];
  struct header header = {{'C', 'Z', 'Z', '1'}, type, 0, id};

  if (length > sizeof(message) - sizeof(header)) length = sizeof(message) - sizeof(header);
  memcpy(message, &header, sizeof(header));
  if (length > 0) memcpy(message + sizeof(header), body, length);
  return send(channel, message, sizeof(header) + length, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int czone_zygote_ready(int channel, const char* runtime) {
  return say(channel, READY, 0, runtime, strlen(runtime));
}

int czone_zygote_refuse(int channel, uint64_t id, const char* reason) {
  return say(channel, REFUSED, id, reason, strlen(reason));
}

static void close_all(struct czone_zygote_request* request) {
  int* fds[] = {&request->zone_fd, &request->stdout_fd, &request->stderr_fd};

  for (size_t i = 0; i < DESCRIPTORS; i++) {
    if (*fds[i] >= 0) close(*fds[i]);
    *fds[i] = -1;
  }
}

/* Takes three descriptors, or closes what came. */
static int take_descriptors(struct msghdr* message, struct czone_zygote_request* request) {
  int fds[8];
  size_t count = 0;
  struct cmsghdr* part = CMSG_FIRSTHDR(message);

  if (part != NULL && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
    count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(part), count * sizeof(int));
  }
  if (count == DESCRIPTORS && (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
    request->zone_fd = fds[0];
    request->stdout_fd = fds[1];
    request->stderr_fd = fds[2];
    return 0;
  }
  while (count > 0) close(fds[--count]);
  return -1;
}

static int parse(struct czone_zygote_request* request, size_t length) {
  struct header header;
  uint32_t count;
  char* text = request->bytes + sizeof(header) + sizeof(count);
  char* end = request->bytes + length;

  if (length < sizeof(header) + sizeof(count)) return -1;
  memcpy(&header, request->bytes, sizeof(header));
  memcpy(&count, request->bytes + sizeof(header), sizeof(count));
  if (memcmp(header.magic, "CZZ1", 4) != 0 || header.type != FORK || header.zero != 0 ||
      count > CZONE_ZYGOTE_ENVIRONMENT_MAX)
    return -1;
  request->id = header.id;
  for (uint32_t i = 0; i < count; i++) {
    char* nul = memchr(text, '\0', (size_t)(end - text));

    if (nul == NULL || memchr(text, '=', (size_t)(nul - text)) == NULL) return -1;
    request->environment[i] = text;
    text = nul + 1;
  }
  request->environment[count] = NULL;
  return text == end ? 0 : -1;
}

int czone_zygote_next(int channel, struct czone_zygote_request* request) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * 8)];
  } control;
  struct iovec part = {request->bytes, sizeof(request->bytes)};
  struct msghdr message = {
      .msg_iov = &part,
      .msg_iovlen = 1,
      .msg_control = control.bytes,
      .msg_controllen = sizeof(control.bytes),
  };
  ssize_t length;

  request->zone_fd = request->stdout_fd = request->stderr_fd = -1;
  do {
    length = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length <= 0) return (int)length;
  if (take_descriptors(&message, request) < 0 || parse(request, (size_t)length) < 0) {
    close_all(request);
    errno = EPROTO;
    return -1;
  }
  return 1;
}

static int arm_kernel(int zone_fd) { return ioctl(zone_fd, CZONE_IOC_NEXT_FORK); }

static void be_born(struct czone_zygote_request* request) {
  if (dup2(request->stdout_fd, STDOUT_FILENO) < 0 || dup2(request->stderr_fd, STDERR_FILENO) < 0 ||
      syscall(SYS_close_range, 3U, ~0U, 0U) < 0 ||
      getrandom(request->seed, sizeof(request->seed), 0) != (ssize_t)sizeof(request->seed))
    _exit(127);
  environ = request->environment;
  /* The C library's own generators. */
  unsigned int words[4];
  memcpy(words, request->seed, sizeof(words));
  srandom(words[0]);
  srand48((long)words[1]);
  if (getrandom(request->seed, sizeof(request->seed), 0) != (ssize_t)sizeof(request->seed))
    _exit(127);
}

pid_t czone_zygote_fork_by(int channel, struct czone_zygote_request* request,
                           int (*arm)(int zone_fd)) {
  pid_t pid = -1;

  if (arm(request->zone_fd) == 0) pid = fork();
  if (pid == 0) {
    be_born(request);
    return 0;
  }
  int error = errno;
  close_all(request);
  if (pid > 0) {
    say(channel, FORKED, request->id, NULL, 0);
    return 1;
  }
  struct {
    uint32_t error;
    char text[124];
  } failure = {(uint32_t)error, ""};
  strncpy(failure.text, strerror(error), sizeof(failure.text) - 1);
  say(channel, FAILED, request->id, &failure, sizeof(failure.error) + strlen(failure.text));
  errno = error;
  return -1;
}

pid_t czone_zygote_fork(int channel, struct czone_zygote_request* request) {
  return czone_zygote_fork_by(channel, request, arm_kernel);
}
