// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace czone::vhost_user {

Connection::Connection(UniqueFd socket) : socket_(std::move(socket)) {
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags >= 0) ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
}

Connection::Read Connection::broken(std::string problem) {
  problem_ = std::move(problem);
  return Read::kBroken;
}

Connection::Read Connection::receive(uint8_t* into, size_t sizeBytes, size_t* receivedBytes) {
  // Room for one more than a message may have, so that too many are seen as such.
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * (kMaxFds + 1))];
  iovec vector{into, sizeBytes};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t received = 0;
  do {
    received = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? Read::kAgain : Read::kClosed;
  }
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof(fd));
      partial_.fds.emplace_back(fd);
    }
  }
  if (received == 0) return Read::kClosed;
  if ((header.msg_flags & MSG_CTRUNC) != 0 || partial_.fds.size() > kMaxFds) {
    return broken("a message carries too many descriptors");
  }
  *receivedBytes = static_cast<size_t>(received);
  return Read::kMessage;
}

Connection::Read Connection::read(Message* message) {
  while (headerBytes_ < sizeof(Header)) {
    size_t part = 0;
    auto* header = reinterpret_cast<uint8_t*>(&partial_.header);
    const Read result = receive(header + headerBytes_, sizeof(Header) - headerBytes_, &part);
    if (result != Read::kMessage) return result;
    headerBytes_ += part;
    if (headerBytes_ < sizeof(Header)) continue;
    if ((partial_.header.flags & kFlagVersionMask) != kVersion) {
      return broken("a message has another version");
    }
    if ((partial_.header.flags & kFlagReply) != 0) {
      return broken("the front-end sent a reply to nothing");
    }
    // Before anything is allocated.
    if (partial_.header.sizeBytes > kMaxPayloadBytes) {
      return broken(std::string(requestName(partial_.header.request)) + " is too long (" +
                    std::to_string(partial_.header.sizeBytes) + " bytes)");
    }
    partial_.payload.resize(partial_.header.sizeBytes);
  }
  while (payloadBytes_ < partial_.payload.size()) {
    size_t part = 0;
    const Read result = receive(partial_.payload.data() + payloadBytes_,
                                partial_.payload.size() - payloadBytes_, &part);
    if (result != Read::kMessage) return result;
    payloadBytes_ += part;
  }
  *message = std::exchange(partial_, Message{});
  headerBytes_ = 0;
  payloadBytes_ = 0;
  return Read::kMessage;
}

bool Connection::reply(Request request, const void* payload, uint32_t sizeBytes) {
  Header header{static_cast<uint32_t>(request), kVersion | kFlagReply, sizeBytes};
  iovec vectors[2] = {{&header, sizeof(header)}, {const_cast<void*>(payload), sizeBytes}};
  msghdr out{};
  out.msg_iov = vectors;
  out.msg_iovlen = 2;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_.get(), &out, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof(header) + sizeBytes);
}

}  // namespace czone::vhost_user
