// SPDX-License-Identifier: Apache-2.0
// A port that is asked before, while and after somebody listens at it.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "os/clock.h"
#include "os/unique_fd.h"
#include "port/port_probe.h"
#include "test/check.h"

namespace czone::test {
namespace {

constexpr char kHere[] = "127.0.0.1";

/** Bound and not listening: its port refuses. */
struct Server {
  UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port = 0;

  Server() {
    sockaddr_in self = {};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(self);
    CHECK_EQUAL(::bind(socket.get(), reinterpret_cast<sockaddr*>(&self), length), 0);
    CHECK_EQUAL(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&self), &length), 0);
    port = ntohs(self.sin_port);
  }
};

bool askFor(PortProbe& probe, int tries) {
  for (int i = 0; i < tries; i++) {
    if (probe.Ask(monotonicNs())) return true;
    ::poll(nullptr, 0, 1);
  }
  return false;
}

}  // namespace

TEST(what_is_no_address_has_no_probe) {
  CHECK(!PortProbe::Of("", 1));
  CHECK(!PortProbe::Of("localhost", 1));
  CHECK(!PortProbe::Of("10.0.0.256", 1));
  CHECK(!PortProbe::Of("::1", 1));
  CHECK(PortProbe::Of("10.0.0.255", 1).has_value());
}

TEST(a_port_answers_once_somebody_listens) {
  Server server;
  auto probe = PortProbe::Of(kHere, server.port);
  CHECK(!askFor(*probe, 20));
  CHECK_EQUAL(::listen(server.socket.get(), 4), 0);
  CHECK(askFor(*probe, 200));
  // It can be asked again, and has left nothing open but what it is given.
  CHECK(askFor(*probe, 200));
  server.socket.reset();
  CHECK(!askFor(*probe, 20));
}

TEST(a_try_without_an_answer_is_given_up_and_begun_again) {
  Server server;
  CHECK_EQUAL(::listen(server.socket.get(), 0), 0);
  // Nobody accepts: what is beyond the backlog is not answered.
  UniqueFd fillers[8];
  for (UniqueFd& filler : fillers) {
    filler.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in peer = {};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(server.port);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(filler.get(), reinterpret_cast<sockaddr*>(&peer), sizeof(peer));
  }
  auto probe = PortProbe::Of(kHere, server.port);
  uint64_t now = monotonicNs();
  CHECK(!probe->Ask(now));
  CHECK(!probe->Ask(now + PortProbe::kTryNs));
  for (UniqueFd& filler : fillers) filler.reset();
  for (int i = 0; i < 9; i++) {
    pollfd waiting = {server.socket.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 100) != 1) break;
    UniqueFd accepted(::accept4(server.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  CHECK(!probe->Ask(now + 2 * PortProbe::kTryNs));
  CHECK(askFor(*probe, 2000));
}

}  // namespace czone::test
