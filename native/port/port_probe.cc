// SPDX-License-Identifier: Apache-2.0
#include "port/port_probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace czone {

std::optional<PortProbe> PortProbe::Of(const std::string& address, uint16_t port) {
  sockaddr_in peer = {};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &peer.sin_addr) != 1) return std::nullopt;
  return PortProbe(peer);
}

bool PortProbe::Ask(uint64_t now_ns) {
  if (!socket_.valid() && !Begin(now_ns)) return false;
  if (!Look(now_ns)) return false;
  socket_.reset();
  return true;
}

// Within one machine the answer is often there already when connect() returns.
bool PortProbe::Begin(uint64_t now_ns) {
  socket_.reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.valid()) return false;
  began_ns_ = now_ns;
  const auto* peer = reinterpret_cast<const sockaddr*>(&peer_);
  if (connect(socket_.get(), peer, sizeof(peer_)) == 0 || errno == EINPROGRESS) return true;
  socket_.reset();
  return false;
}

bool PortProbe::Look(uint64_t now_ns) {
  pollfd ready = {socket_.get(), POLLOUT, 0};
  if (poll(&ready, 1, 0) == 0) {
    if (now_ns - began_ns_ > kTryNs) socket_.reset();
    return false;
  }
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0)
    return true;
  socket_.reset();
  return false;
}

}  // namespace czone
