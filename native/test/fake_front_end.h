// SPDX-License-Identifier: Apache-2.0
// A vhost-user front-end that does what it is told, right or wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "vhost_user/message.h"

namespace czone::test {

class FakeFrontEnd {
 public:
  explicit FakeFrontEnd(UniqueFd socket) : socket_(std::move(socket)) {}

  /** Connects to a back-end's socket. */
  static FakeFrontEnd connectTo(const std::string& path);

  int fd() const { return socket_.get(); }
  void hangUp() { socket_.reset(); }

  void sendBytes(const void* bytes, size_t sizeBytes, const std::vector<int>& fds = {});
  void send(vhost_user::Request request, const void* payload, size_t sizeBytes,
            const std::vector<int>& fds = {}, uint32_t extraFlags = 0);
  template <typename T>
  void send(vhost_user::Request request, const T& payload, const std::vector<int>& fds = {},
            uint32_t extraFlags = 0) {
    send(request, &payload, sizeof(payload), fds, extraFlags);
  }
  void sendRegion(vhost_user::Request request, const MemoryRegionSpec& spec,
                  const std::vector<int>& fds, uint32_t extraFlags = 0);

  /** The payload of the next reply; nothing when the back-end hung up. */
  std::optional<std::vector<uint8_t>> reply(vhost_user::Request request);
  uint64_t replyU64(vhost_user::Request request);
  /** Sends with NEED_REPLY; true: the back-end says that it did it. */
  template <typename T>
  bool acked(vhost_user::Request request, const T& payload, const std::vector<int>& fds = {}) {
    send(request, payload, fds, vhost_user::kFlagNeedReply);
    return replyU64(request) == 0;
  }
  bool ackedRegion(vhost_user::Request request, const MemoryRegionSpec& spec,
                   const std::vector<int>& fds) {
    sendRegion(request, spec, fds, vhost_user::kFlagNeedReply);
    return replyU64(request) == 0;
  }
  /** Whether the back-end has hung up, waiting for it if need be. */
  bool hungUp();

  /** Features and protocol features, all that is offered but these of the driver's. */
  void negotiate(uint64_t without = 0);
  /** Hands over the file as memoryRegions() lays it out. */
  void shareMemory(int file);

 private:
  UniqueFd socket_;
};

}  // namespace czone::test
