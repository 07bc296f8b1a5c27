// SPDX-License-Identifier: Apache-2.0
// A back-end with its memory file, a front-end and a driver: what most tests of
// the device begin with.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "czone_device/backend.h"
#include "guest_memory/memory_file.h"
#include "test/check.h"
#include "test/fake_front_end.h"
#include "test/fake_guest.h"
#include "test/recorder.h"
#include "test/test_memory.h"

namespace czone::test {

/** A directory that goes with the test. */
class TemporaryDirectory {
 public:
  TemporaryDirectory() { CHECK(::mkdtemp(path_) != nullptr); }
  ~TemporaryDirectory() {
    ::unlink(socketPath().c_str());
    ::rmdir(path_);
  }
  std::string path() const { return path_; }
  std::string socketPath() const { return std::string(path_) + "/socket"; }

 private:
  char path_[32] = "/tmp/czone-native-XXXXXX";
};

struct Bench {
  TemporaryDirectory directory;
  UniqueFd file = createMemoryFile("bench", kFileBytes);
  Recorder recorder;
  Backend backend{directory.socketPath(), deviceConfig(), recorder};
  FakeFrontEnd frontEnd = FakeFrontEnd::connectTo(directory.socketPath());
  FakeGuest guest{file.get()};
  uint64_t lastToken = 0;

  /** Up to a driver that has started its queues. */
  void start(uint64_t withoutFeatures = 0) {
    frontEnd.negotiate(withoutFeatures);
    frontEnd.shareMemory(file.get());
    guest.startQueues(frontEnd);
    recorder.event(EventKind::kReady);
  }

  /** The front-end goes and another comes, as in recovery. */
  void reconnect() {
    frontEnd.hangUp();
    recorder.event(EventKind::kDisconnected);
    frontEnd = FakeFrontEnd::connectTo(directory.socketPath());
    start();
  }

  static Range zone(uint64_t offsetMiB, uint64_t sizeMiB) {
    return {kRegionAddr + offsetMiB * kMiB, sizeMiB * kMiB};
  }

  uint64_t give(Command command) {
    const uint64_t token = ++lastToken;
    if (command.timeoutNs == 0) command.timeoutNs = 30'000'000'000;
    CHECK(backend.submit(token, command));
    return token;
  }

  uint64_t give(CommandType type, uint32_t zoneId, Range range, uint64_t timeoutMs = 30'000) {
    return give({type, zoneId, range, timeoutMs * 1'000'000});
  }

  /** Gives a command, answers it, and returns how it ended. */
  Reply carryOut(CommandType type, uint32_t zoneId, Range range,
                 uint16_t result = VIRTIO_CZONE_OK) {
    const uint64_t token = give(type, zoneId, range);
    guest.offerCommandBuffer();
    const auto ack = guest.respond(FakeGuest::answerTo(guest.takeCommand(), result));
    CHECK_EQUAL(ack.result, VIRTIO_CZONE_OK);
    return recorder.reply(token);
  }

  void plug(uint32_t zoneId, Range range, uint64_t limitBytes = 0) {
    Command command{CommandType::kPlug, zoneId, range};
    command.limitBytes = limitBytes;
    const uint64_t token = give(command);
    guest.offerCommandBuffer();
    guest.respond(FakeGuest::answerTo(guest.takeCommand()));
    CHECK(recorder.reply(token).result == Result::kOk);
  }

  /** The guest touches zone memory. */
  void touch(Range range) {
    const std::vector<uint8_t> bytes(range.sizeBytes, 1);
    CHECK_EQUAL(::pwrite(file.get(), bytes.data(), bytes.size(),
                         static_cast<off_t>(kBootBytes + range.addr - kRegionAddr)),
                static_cast<ssize_t>(bytes.size()));
  }

  uint64_t allocated(Range range) {
    uint64_t bytes = 0;
    CHECK_EQUAL(
        allocatedBytes(file.get(), kBootBytes + range.addr - kRegionAddr, range.sizeBytes, &bytes),
        0);
    return bytes;
  }
};

}  // namespace czone::test
