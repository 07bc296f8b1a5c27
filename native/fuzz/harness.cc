// SPDX-License-Identifier: Apache-2.0
#include "fuzz/harness.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "guest_memory/memory_file.h"

namespace czone::fuzz {

using vhost_user::Header;
using vhost_user::Request;

uint64_t nowNs = 1;

uint8_t Input::byte() {
  if (left_ == 0) return 0;
  left_--;
  return *at_++;
}

uint16_t Input::word() { return static_cast<uint16_t>(byte() | byte() << 8); }

std::vector<uint8_t> Input::bytes(size_t atMost) {
  const size_t count = std::min(atMost, left_);
  std::vector<uint8_t> taken(at_, at_ + count);
  at_ += count;
  left_ -= count;
  return taken;
}

void Counter::onReply(uint64_t token, Reply) {
  if (answered_.size() <= token) answered_.resize(token + 1);
  if (answered_[token]) std::abort();
  answered_[token] = true;
}

void Counter::onGuestEvents(const std::vector<GuestEvent>& events) {
  for (const GuestEvent& event : events) {
    const bool want = event.kind == GuestEvent::Kind::kWant;
    if (event.zoneId == 0 || event.zoneId > 8 || event.sizeBytes > kRegionBytes) std::abort();
    if (want && (event.value <= event.sizeBytes || event.value > kRegionBytes)) std::abort();
    if (!want && event.value > event.sizeBytes / 4096) std::abort();
  }
}

int memoryFile() {
  static const UniqueFd file = createMemoryFile("fuzz", kBootBytes + kRegionBytes);
  return file.get();
}

int eventFd() {
  static const UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return fd.get();
}

Target::Target()
    : device(
          [] {
            DeviceConfig config;
            config.region = {kRegionAddr, kRegionBytes};
            config.blockBytes = 2 << 20;
            config.maxZones = 8;
            return config;
          }(),
          memory, counter, [] { return nowNs; }) {
  device.attach(handler);
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
  peer.reset(fds[0]);
  connection = std::make_unique<vhost_user::Connection>(UniqueFd(fds[1]));
}

bool Target::readAll() {
  for (;;) {
    vhost_user::Message message;
    const auto read = connection->read(&message);
    if (read == vhost_user::Connection::Read::kAgain) return true;
    bool alive = false;
    if (read == vhost_user::Connection::Read::kMessage) {
      handler.handle(*connection, std::move(message), &alive);
    }
    if (!alive) {
      handler.reset("the end");
      return false;
    }
    // Replies are not what is tested; they must only not fill the socket.
    uint8_t replies[4096];
    while (::recv(peer.get(), replies, sizeof(replies), MSG_DONTWAIT) > 0) {
    }
  }
}

void Target::send(const void* bytes, size_t sizeBytes, const std::vector<int>& fds) {
  if (sizeBytes == 0) return;
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * 16)] = {};
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
  [[maybe_unused]] const ssize_t sent = ::sendmsg(peer.get(), &header, MSG_NOSIGNAL);
}

void Target::request(Request request, const void* payload, size_t sizeBytes,
                     const std::vector<int>& fds) {
  const Header header{static_cast<uint32_t>(request), vhost_user::kVersion,
                      static_cast<uint32_t>(sizeBytes)};
  std::vector<uint8_t> bytes(sizeof(header) + sizeBytes);
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), payload, sizeBytes);
  send(bytes.data(), bytes.size(), fds);
  if (!readAll()) std::abort();
}

void Target::start() {
  const uint64_t features = (uint64_t{1} << 32) | (uint64_t{1} << 30) | CzoneDevice::kFeatures;
  request(Request::kSetFeatures, &features, sizeof(features));
  const uint64_t boot[] = {0, 0, kBootBytes, kUserAddr, 0};
  const uint64_t region[] = {0, kRegionAddr, kRegionBytes, kUserAddr + kBootBytes, kBootBytes};
  request(Request::kAddMemReg, boot, sizeof(boot), {memoryFile()});
  request(Request::kAddMemReg, region, sizeof(region), {memoryFile()});
  std::memset(memory.at(0, 0x10000), 0, 0x10000);
  for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
    const uint64_t at = kUserAddr + 0x1000 * (i + 1);
    const vhost_user::VringState size{i, 8};
    const vhost_user::VringAddr addr{i, 0, at, at + 0x800, at + 0x400, 0};
    const uint64_t index = i;
    request(Request::kSetVringNum, &size, sizeof(size));
    request(Request::kSetVringAddr, &addr, sizeof(addr));
    request(Request::kSetVringKick, &index, sizeof(index), {eventFd()});
  }
  for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
    const vhost_user::VringState enable{i, 1};
    request(Request::kSetVringEnable, &enable, sizeof(enable));
  }
  if (!handler.running()) std::abort();
}

}  // namespace czone::fuzz
