// SPDX-License-Identifier: Apache-2.0
#include "fork/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace czone {
namespace {

constexpr size_t kDescriptorsMax = 8;

bool HasOption(int fd, int name, int wanted) {
  int value = 0;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 && value == wanted;
}

}  // namespace

int MakeChannel(int ends[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

int SendMessage(int fd, const void* bytes, size_t length, const std::vector<int>& descriptors) {
  if (descriptors.size() > kDescriptorsMax) return -EINVAL;
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)] = {};
  struct iovec part = {const_cast<void*>(bytes), length};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    size_t size = sizeof(int) * descriptors.size();
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
  }
  return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

long ReceiveMessage(int fd, void* bytes, size_t size) {
  struct iovec part = {bytes, size};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  // Without room for control data the kernel drops descriptors.
  ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return -errno;
  return (message.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : length;
}

int TakeChannel(int pidfd, int number) {
  int fd = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0));
  if (fd < 0) return -errno;
  if (!HasOption(fd, SO_DOMAIN, AF_UNIX) || !HasOption(fd, SO_TYPE, SOCK_SEQPACKET)) {
    close(fd);
    return -EPROTOTYPE;
  }
  return fd;
}

}  // namespace czone
