// SPDX-License-Identifier: Apache-2.0
// A driver that writes anything into its rings and buffers while commands are under
// way. Whatever it does, no byte outside the ranges of the commands is discarded:
// the canaries where no command's zone is stay.
#include <unistd.h>

#include <algorithm>
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
  response.size = uint64_t{input.byte() % 10u} << 20;
  const bool busy = (input.byte() & 1) != 0;
  size_t entryBytes = sizeof(virtio_czone_range);
  if (fitting && response.type == VIRTIO_CZONE_CMD_UNPLUG && response.flags == 0 && busy) {
    response.result = VIRTIO_CZONE_BUSY;
    entryBytes = sizeof(virtio_czone_pin);
  } else if (fitting && response.type != VIRTIO_CZONE_CMD_REPORT && response.flags == 0) {
    response.nr_entries = 0;
  } else if (response.type == VIRTIO_CZONE_CMD_LIST) {
    entryBytes = sizeof(virtio_czone_zone);
  }
  std::memcpy(memory + 0x8000, &response, sizeof(response));
  uint8_t entries[4 * sizeof(virtio_czone_zone)] = {};
  for (size_t i = 0; i < response.nr_entries; i++) {
    if (response.type == VIRTIO_CZONE_CMD_LIST) {
      const uint64_t mib = uint64_t{1} << 20;
      const virtio_czone_zone zone{
          input.byte() % 4u,       input.byte() % 6u,       kRegionAddr + input.byte() % 16u * mib,
          input.byte() % 9u * mib, input.byte() % 9u * mib, 0};
      std::memcpy(entries + i * entryBytes, &zone, sizeof(zone));
      continue;
    }
    // Ranges and pins begin alike.
    const virtio_czone_range range{kRegionAddr + uint64_t{input.word() % 4096u} * 4096,
                                   uint64_t{input.byte()} * 4096};
    std::memcpy(entries + i * entryBytes, &range, sizeof(range));
  }
  std::memcpy(memory + 0x8000 + sizeof(response), entries, sizeof(entries));
  struct {
    uint64_t addr;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
  } chain[2] = {
      {0x8000, static_cast<uint32_t>(sizeof(response) + response.nr_entries * entryBytes), 1, 1},
      {0x9000, 16, 2, 0}};
  std::memcpy(memory + 0x2000, chain, sizeof(chain));
  uint16_t index = 0;
  std::memcpy(&index, memory + 0x2402, sizeof(index));
  std::memset(memory + 0x2404 + 2 * (index % 8), 0, 2);
  index++;
  std::memcpy(memory + 0x2402, &index, sizeof(index));
}

void offerEvent(czone::fuzz::Target& target, Input& input) {
  uint8_t* memory = target.memory.at(0, 0x10000);
  const virtio_czone_event event{static_cast<uint16_t>(input.byte() % 4), 0, input.byte() % 10u,
                                 uint64_t{input.byte() % 10u} << 20,
                                 uint64_t{input.byte()} << (input.byte() % 24)};
  std::memcpy(memory + 0xb000, &event, sizeof(event));
  const struct {
    uint64_t addr;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
  } desc = {0xb000, sizeof(event), 0, 0};
  std::memcpy(memory + 0x3000, &desc, sizeof(desc));
  uint16_t index = 0;
  std::memcpy(&index, memory + 0x3402, sizeof(index));
  std::memset(memory + 0x3404 + 2 * (index % 8), 0, 2);
  index++;
  std::memcpy(memory + 0x3402, &index, sizeof(index));
}

void offerCommandBuffer(czone::fuzz::Target& target) {
  uint8_t* memory = target.memory.at(0, 0x10000);
  const struct {
    uint64_t addr;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
  } desc = {0xa000, sizeof(virtio_czone_command), 2, 0};
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
    switch (input.byte() % 8) {
      case 0: {
        // Zone 1 may have 4 to 8 MiB, zone 2 has 4; the last 4 MiB belong to none.
        const uint64_t mib = uint64_t{1} << 20;
        const uint32_t zone = 1 + input.byte() % 2;
        const uint64_t limit = (zone == 1 ? 8 : 4) * mib;
        czone::Command command;
        command.type = static_cast<CommandType>(1 + input.byte() % 5);
        command.timeoutNs = 1000;
        if (command.type != CommandType::kList) {
          command.zoneId = zone;
          command.range = {kRegionAddr + (zone - 1) * 8 * mib,
                           std::min(limit, (4 + 2 * (input.byte() % 3u)) * mib)};
        }
        if (command.type == CommandType::kPlug || command.type == CommandType::kUnplug) {
          command.limitBytes = limit;
        }
        command.zombie = command.type == CommandType::kUnplug && (input.byte() & 1) != 0;
        target.device.submit(++token, command);
        break;
      }
      case 7:
        offerEvent(target, input);
        break;
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
        // What zone 1 or zone 2 may have, or a part of it.
        if (const bool first = (input.byte() & 1) != 0; first) {
          target.device.discard({kRegionAddr, uint64_t{input.byte() & 1 ? 8u : 4u} << 20});
        } else {
          target.device.discard({kRegionAddr + (uint64_t{8} << 20), uint64_t{4} << 20});
        }
        break;
    }
    target.device.serve();
  }
  target.handler.reset("the end");
  checkCanaries();
  return 0;
}
