// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/connection.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "test/check.h"
#include "test/fake_front_end.h"

namespace czone::vhost_user {
namespace {

using test::FakeFrontEnd;

struct Pair {
  std::unique_ptr<FakeFrontEnd> peer;
  std::unique_ptr<Connection> connection;
  Message message;

  Pair() {
    int fds[2];
    CHECK_EQUAL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = std::make_unique<FakeFrontEnd>(UniqueFd(fds[0]));
    connection = std::make_unique<Connection>(UniqueFd(fds[1]));
  }
  Connection::Read read() { return connection->read(&message); }
};

size_t openDescriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  size_t count = 0;
  while (::readdir(directory) != nullptr) count++;
  ::closedir(directory);
  return count;
}

}  // namespace

TEST(a_message_may_come_byte_by_byte) {
  Pair pair;
  struct {
    Header header{static_cast<uint32_t>(Request::kSetFeatures), kVersion, 8};
    uint32_t payload[2] = {1, 2};
  } bytes;
  const auto* at = reinterpret_cast<const uint8_t*>(&bytes);
  for (size_t i = 0; i < sizeof(bytes); i++) {
    CHECK(pair.read() == Connection::Read::kAgain);
    pair.peer->sendBytes(at + i, 1);
  }
  CHECK(pair.read() == Connection::Read::kMessage);
  CHECK(pair.message.request() == Request::kSetFeatures);
  CHECK_EQUAL(*decodeU64(pair.message), (uint64_t{2} << 32) | 1);
  CHECK(pair.read() == Connection::Read::kAgain);
  pair.peer->hangUp();
  CHECK(pair.read() == Connection::Read::kClosed);
}

TEST(a_message_that_is_too_long_breaks_the_connection_before_it_is_read) {
  Pair pair;
  pair.peer->sendBytes(std::vector<uint32_t>{1, kVersion, 0xffffffff}.data(), 12);
  CHECK(pair.read() == Connection::Read::kBroken);
}

TEST(other_versions_and_replies_break_the_connection) {
  for (const uint32_t flags : {0u, 2u, kVersion | kFlagReply}) {
    Pair pair;
    pair.peer->sendBytes(std::vector<uint32_t>{1, flags, 0}.data(), 12);
    CHECK(pair.read() == Connection::Read::kBroken);
  }
}

TEST(descriptors_arrive_close_on_exec_and_go_with_the_message) {
  const size_t before = openDescriptors();
  {
    Pair pair;
    pair.peer->send(Request::kSetVringKick, uint64_t{0}, {0, 1});
    CHECK(pair.read() == Connection::Read::kMessage);
    CHECK_EQUAL(pair.message.fds.size(), 2u);
    CHECK(::fcntl(pair.message.fds[0].get(), F_GETFD) & FD_CLOEXEC);
  }
  CHECK_EQUAL(openDescriptors(), before);
}

TEST(too_many_descriptors_break_the_connection_and_leak_none) {
  const size_t before = openDescriptors();
  for (const size_t count : {kMaxFds + 1, kMaxFds + 20}) {
    Pair pair;
    pair.peer->send(Request::kSetVringKick, uint64_t{0}, std::vector<int>(count, 0));
    CHECK(pair.read() == Connection::Read::kBroken);
  }
  {
    // A few with each part of one message.
    Pair pair;
    const Header header{static_cast<uint32_t>(Request::kSetFeatures), kVersion, 8};
    pair.peer->sendBytes(&header, sizeof(header), std::vector<int>(5, 0));
    pair.peer->sendBytes(&header, 8, std::vector<int>(5, 0));
    CHECK(pair.read() == Connection::Read::kBroken);
  }
  CHECK_EQUAL(openDescriptors(), before);
}

TEST(a_peer_that_does_not_read_does_not_hold_us_up) {
  Pair pair;
  const uint64_t word = 0;
  bool taken = true;
  for (int i = 0; i < 1'000'000 && taken; i++) {
    taken = pair.connection->reply(Request::kGetFeatures, &word, sizeof(word));
  }
  CHECK(!taken);
}

}  // namespace czone::vhost_user
