// SPDX-License-Identifier: Apache-2.0
// A front-end that sends anything: whole messages with a request that exists and
// any payload, or raw bytes; with descriptors of several kinds. The queues are
// looked at in between.
#include "fuzz/harness.h"

using czone::fuzz::Input;
using czone::fuzz::Target;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t sizeBytes) {
  Input input(bytes, sizeBytes);
  Target target;
  const uint8_t mode = input.byte();
  if (mode & 1) target.start();
  uint64_t token = 0;
  while (!input.empty()) {
    const uint8_t kind = input.byte();
    std::vector<int> fds;
    for (int i = 0; i < ((kind >> 2) & 3); i++) {
      const uint8_t which = input.byte() % 3;
      fds.push_back(which == 0   ? czone::fuzz::memoryFile()
                    : which == 1 ? czone::fuzz::eventFd()
                                 : 0);
    }
    if (kind & 1) {
      const auto raw = input.bytes(input.byte());
      target.send(raw.data(), raw.size(), fds);
    } else {
      czone::vhost_user::Header header;
      header.request = input.byte() % 45;
      header.flags =
          czone::vhost_user::kVersion | (kind & 2 ? czone::vhost_user::kFlagNeedReply : 0);
      const auto payload = input.bytes(input.byte() % 64);
      header.sizeBytes = static_cast<uint32_t>(payload.size());
      std::vector<uint8_t> message(sizeof(header) + payload.size());
      __builtin_memcpy(message.data(), &header, sizeof(header));
      if (!payload.empty()) {
        __builtin_memcpy(message.data() + sizeof(header), payload.data(), payload.size());
      }
      target.send(message.data(), message.size(), fds);
    }
    if (!target.readAll()) return 0;
    if (kind & 0x80) target.device.submit(++token, {czone::CommandType::kList, 0, {}, 1000});
    target.device.serve();
  }
  target.handler.reset("the end");
  return 0;
}
