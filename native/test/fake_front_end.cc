// SPDX-License-Identifier: Apache-2.0
#include "test/fake_front_end.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "os/system_error.h"
#include "test/check.h"
#include "test/test_memory.h"

namespace czone::test {

using vhost_user::Header;
using vhost_user::Request;

FakeFrontEnd FakeFrontEnd::connectTo(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throwErrno("connect to " + path);
  }
  return FakeFrontEnd(std::move(socket));
}

void FakeFrontEnd::sendBytes(const void* bytes, size_t sizeBytes, const std::vector<int>& fds) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * 32)] = {};
  iovec vector{const_cast<void*>(bytes), sizeBytes};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(item), fds.data(), sizeof(int) * fds.size());
  }
  if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeBytes)) {
    throwErrno("send to the back-end");
  }
}

void FakeFrontEnd::send(Request request, const void* payload, size_t sizeBytes,
                        const std::vector<int>& fds, uint32_t extraFlags) {
  const Header header{static_cast<uint32_t>(request), vhost_user::kVersion | extraFlags,
                      static_cast<uint32_t>(sizeBytes)};
  std::vector<uint8_t> bytes(sizeof(header) + sizeBytes);
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (sizeBytes > 0) std::memcpy(bytes.data() + sizeof(header), payload, sizeBytes);
  sendBytes(bytes.data(), bytes.size(), fds);
}

void FakeFrontEnd::sendRegion(Request request, const MemoryRegionSpec& spec,
                              const std::vector<int>& fds, uint32_t extraFlags) {
  const uint64_t words[] = {0, spec.guestAddr, spec.sizeBytes, spec.userAddr, spec.fileOffset};
  send(request, words, fds, extraFlags);
}

std::optional<std::vector<uint8_t>> FakeFrontEnd::reply(Request request) {
  Header header;
  if (::recv(socket_.get(), &header, sizeof(header), MSG_WAITALL) !=
      static_cast<ssize_t>(sizeof(header))) {
    return std::nullopt;
  }
  CHECK_EQUAL(header.request, static_cast<uint32_t>(request));
  CHECK_EQUAL(header.flags, vhost_user::kVersion | vhost_user::kFlagReply);
  std::vector<uint8_t> payload(header.sizeBytes);
  if (!payload.empty()) {
    CHECK_EQUAL(::recv(socket_.get(), payload.data(), payload.size(), MSG_WAITALL),
                static_cast<ssize_t>(payload.size()));
  }
  return payload;
}

uint64_t FakeFrontEnd::replyU64(Request request) {
  const auto payload = reply(request);
  CHECK(payload.has_value());
  uint64_t value = 0;
  CHECK_EQUAL(payload->size(), sizeof(value));
  std::memcpy(&value, payload->data(), sizeof(value));
  return value;
}

bool FakeFrontEnd::hungUp() {
  uint8_t byte = 0;
  return ::recv(socket_.get(), &byte, 1, 0) <= 0;
}

void FakeFrontEnd::negotiate(uint64_t without) {
  send(Request::kGetFeatures, nullptr, 0);
  const uint64_t features = replyU64(Request::kGetFeatures);
  send(Request::kGetProtocolFeatures, nullptr, 0);
  const uint64_t protocol = replyU64(Request::kGetProtocolFeatures);
  send(Request::kSetProtocolFeatures, protocol);
  send(Request::kSetOwner, nullptr, 0);
  CHECK(acked(Request::kSetFeatures, features & ~without));
}

void FakeFrontEnd::shareMemory(int file) {
  for (const MemoryRegionSpec& spec : memoryRegions()) {
    CHECK(ackedRegion(Request::kAddMemReg, spec, {file}));
  }
}

}  // namespace czone::test
