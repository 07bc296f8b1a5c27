// SPDX-License-Identifier: Apache-2.0
// A driver that writes anything into its rings and buffers while commands are under
// way. Whatever it does, no byte outside the ranges of the commands is discarded:
// the canaries where no command's zone is stay.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "fuzz/harness.h"

namespace {

using czone::CommandType;
using czone::Range;
using czone::fuzz::Input;
using czone::fuzz::kBootBytes;
using czone::fuzz::kRegionAddr;
using czone::fuzz::kRegionBytes;

/** One page in each MiB of what belongs to no zone. */
constexpr uint64_t kCanaries[] = {12, 13, 14, 15};

off_t canaryOffset(uint64_t mib) { return static_cast<off_t>(kBootBytes + (mib << 20) + 4096); }

void placeCanaries() {
  const uint8_t canary = 0x5a;
  for (const uint64_t mib : kCanaries) {
    if (::pwrite(czone::fuzz::memoryFile(), &canary, 1, canaryOffset(mib)) != 1) std::abort();
  }
}

void checkCanaries() {
  for (const uint64_t mib : kCanaries) {
    uint8_t byte = 0;
    if (::pread(czone::fuzz::memoryFile(), &byte, 1, canaryOffset(mib)) != 1 || byte != 0x5a) {
      std::abort();
    }
  }
}

/**
 * A whole response with a chain to carry it: to the command that the driver was given
 * last, or with fields of its own.
 */
void offerResponse(czone::fuzz::Target& target, Input& input, bool fitting) {
  uint8_t* memory = target.memory.at(0, 0x10000);
  virtio_czone_response response{};
  if (fitting) {
    virtio_czone_command command;
    std::memcpy(&command, memory + 0xa000, sizeof(command));
    response.seq = command.seq;
    response.type = command.type;
    response.zone_id = command.zone_id;
  } else {
    response.seq = input.byte() % 8;
    response.type = input.byte() % 6;
    response.zone_id = input.byte() % 4;
    response.result = input.byte() % 9;
  }
  response.flags = input.byte() & 1;
  response.nr_entries = input.byte() % 4;
  if (response.type != VIRTIO_CZONE_CMD_REPORT && fitting) response.nr_entries = 0;
  std::memcpy(memory + 0x8000, &response, sizeof(response));
  virtio_czone_range ranges[4];
  for (auto& range : ranges) {
    range.addr = kRegionAddr + uint64_t{input.word() % 4096u} * 4096;
    range.size = uint64_t{input.byte()} * 4096;
  }
  std::memcpy(memory + 0x8000 + sizeof(response), ranges, sizeof(ranges));
  struct {
    uint64_t addr;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
  } chain[2] = {{0x8000, static_cast<uint32_t>(sizeof(response) + response.nr_entries * 16u), 1, 1},
                {0x9000, 16, 2, 0}};
  std::memcpy(memory + 0x2000, chain, sizeof(chain));
  uint16_t index = 0;
  std::memcpy(&index, memory + 0x2402, sizeof(index));
  std::memset(memory + 0x2404 + 2 * (index % 8), 0, 2);
  index++;
  std::memcpy(memory + 0x2402, &index, sizeof(index));
}

void offerCommandBuffer(czone::fuzz::Target& target) {
  uint8_t* memory = target.memory.at(0, 0x10000);
  const struct {
    uint64_t addr;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
  } desc = {0xa000, 40, 2, 0};
  std::memcpy(memory + 0x1000, &desc, sizeof(desc));
  uint16_t index = 0;
  std::memcpy(&index, memory + 0x1402, sizeof(index));
  std::memset(memory + 0x1404 + 2 * (index % 8), 0, 2);
  index++;
  std::memcpy(memory + 0x1402, &index, sizeof(index));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t sizeBytes) {
  placeCanaries();
  Input input(bytes, sizeBytes);
  czone::fuzz::Target target;
  target.start();
  uint64_t token = 0;
  while (!input.empty() && target.handler.running()) {
    switch (input.byte() % 7) {
      case 0: {
        // Zones 1 to 3, 4 MiB each; the last 4 MiB belong to none.
        const uint32_t zone = 1 + input.byte() % 3;
        const auto type = static_cast<CommandType>(1 + input.byte() % 4);
        const bool list = type == CommandType::kList;
        const Range range{kRegionAddr + (zone - 1) * (uint64_t{4} << 20), uint64_t{4} << 20};
        target.device.submit(++token, {type, list ? 0 : zone, list ? Range{} : range, 1000});
        break;
      }
      case 1: {
        const uint16_t at = input.word();
        const auto poke = input.bytes(input.byte() % 32);
        if (!poke.empty() && size_t{at} + poke.size() <= 0x10000) {
          std::memcpy(target.memory.at(at, poke.size()), poke.data(), poke.size());
        }
        break;
      }
      case 2:
        offerResponse(target, input, false);
        break;
      case 6:
        offerResponse(target, input, true);
        break;
      case 3:
        offerCommandBuffer(target);
        break;
      case 4:
        czone::fuzz::nowNs += input.word();
        target.device.expire();
        break;
      case 5:
        target.device.discard(
            {kRegionAddr + uint64_t{input.byte() % 3u} * (uint64_t{4} << 20), uint64_t{4} << 20});
        break;
    }
    target.device.serve();
  }
  target.handler.reset("the end");
  checkCanaries();
  return 0;
}
