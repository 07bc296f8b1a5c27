// SPDX-License-Identifier: Apache-2.0
#include "czone_device/backend.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>
#include <system_error>

#include "test/bench.h"

namespace czone::test {

TEST(only_the_owner_can_connect) {
  Bench bench;
  struct stat status = {};
  CHECK_EQUAL(::stat(bench.directory.socketPath().c_str(), &status), 0);
  CHECK(S_ISSOCK(status.st_mode));
  CHECK_EQUAL(status.st_mode & 0777, 0600u);
}

TEST(a_socket_that_was_left_over_is_replaced_but_no_other_file) {
  TemporaryDirectory directory;
  Recorder recorder;
  UniqueFd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, directory.socketPath().c_str(), directory.socketPath().size());
  CHECK_EQUAL(::bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  {
    Backend backend(directory.socketPath(), deviceConfig(), recorder);
    FakeFrontEnd::connectTo(directory.socketPath());
    recorder.event(EventKind::kConnected);
  }
  std::ofstream(directory.socketPath()) << "not ours";
  bool refused = false;
  try {
    Backend backend(directory.socketPath(), deviceConfig(), recorder);
  } catch (const std::system_error& error) {
    refused = error.code().value() == EEXIST;
  }
  CHECK(refused);
}

TEST(a_path_that_does_not_fit_is_refused) {
  Recorder recorder;
  bool refused = false;
  try {
    Backend backend(std::string("/tmp/") + std::string(103, 'x'), deviceConfig(), recorder);
  } catch (const std::system_error& error) {
    refused = error.code().value() == ENAMETOOLONG;
  }
  CHECK(refused);
}

TEST(one_front_end_at_a_time_and_the_next_after_it) {
  Bench bench;
  bench.recorder.event(EventKind::kConnected);
  FakeFrontEnd second = FakeFrontEnd::connectTo(bench.directory.socketPath());
  second.send(vhost_user::Request::kGetQueueNum, nullptr, 0);
  bench.frontEnd.negotiate();
  CHECK_EQUAL(bench.recorder.count(EventKind::kConnected), 0u);
  bench.frontEnd.hangUp();
  bench.recorder.event(EventKind::kConnected);
  CHECK_EQUAL(second.replyU64(vhost_user::Request::kGetQueueNum),
              uint64_t{vhost_user::Handler::kQueueCount});
}

TEST(garbage_on_the_socket_ends_the_connection_only) {
  Bench bench;
  bench.frontEnd.sendBytes(std::string(600, '\xff').data(), 600);
  CHECK(bench.frontEnd.hungUp());
  bench.recorder.event(EventKind::kDisconnected);
  bench.frontEnd = FakeFrontEnd::connectTo(bench.directory.socketPath());
  bench.start();
}

TEST(stop_ends_commands_while_the_vmm_hangs) {
  Bench bench;
  bench.start();
  const uint64_t token = bench.give(CommandType::kPlug, 1, Bench::zone(0, 8));
  // Half a message: the front-end says nothing more.
  bench.frontEnd.sendBytes("\x01", 1);
  bench.backend.stop();
  CHECK(bench.recorder.reply(token).result == Result::kDisconnected);
  CHECK(!bench.backend.submit(99, {CommandType::kList, 0, {}, 0}));
  CHECK(!bench.backend.discard(Bench::zone(0, 8)).refusal.empty());
  struct stat status = {};
  CHECK(::stat(bench.directory.socketPath().c_str(), &status) != 0);
  bench.backend.stop();
}

TEST(commands_before_the_driver_is_there_end_at_once) {
  Bench bench;
  CHECK(bench.recorder.reply(bench.give(CommandType::kList, 0, {})).result ==
        Result::kDisconnected);
}

TEST(a_connection_leaves_no_descriptor_behind) {
  Bench bench;
  bench.start();
  const auto count = [] {
    size_t found = 0;
    for (int fd = 0; fd < 1024; fd++) found += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return found;
  };
  const size_t before = count();
  for (int i = 0; i < 10; i++) bench.reconnect();
  CHECK_EQUAL(count(), before);
}

}  // namespace czone::test
