// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/message.h"

#include <cstring>

namespace czone::vhost_user {
namespace {

// The protocol uses the host's byte order; this code runs on little-endian hosts
// only, since the device's own structures are taken over as they are.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <typename T>
std::optional<T> decodeExactly(const Message& message) {
  if (message.payload.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, message.payload.data(), sizeof(value));
  return value;
}

constexpr size_t kRegionBytes = 32;
constexpr size_t kRegionsOffset = 8;  // count, padding

MemoryRegionSpec regionAt(const Message& message, size_t offset) {
  uint64_t words[4];
  std::memcpy(words, message.payload.data() + offset, sizeof(words));
  static_assert(sizeof(words) == kRegionBytes);
  return {words[0], words[1], words[2], words[3]};
}

}  // namespace

const char* requestName(uint32_t request) {
  switch (static_cast<Request>(request)) {
    case Request::kGetFeatures:
      return "GET_FEATURES";
    case Request::kSetFeatures:
      return "SET_FEATURES";
    case Request::kSetOwner:
      return "SET_OWNER";
    case Request::kResetOwner:
      return "RESET_OWNER";
    case Request::kSetMemTable:
      return "SET_MEM_TABLE";
    case Request::kSetVringNum:
      return "SET_VRING_NUM";
    case Request::kSetVringAddr:
      return "SET_VRING_ADDR";
    case Request::kSetVringBase:
      return "SET_VRING_BASE";
    case Request::kGetVringBase:
      return "GET_VRING_BASE";
    case Request::kSetVringKick:
      return "SET_VRING_KICK";
    case Request::kSetVringCall:
      return "SET_VRING_CALL";
    case Request::kSetVringErr:
      return "SET_VRING_ERR";
    case Request::kGetProtocolFeatures:
      return "GET_PROTOCOL_FEATURES";
    case Request::kSetProtocolFeatures:
      return "SET_PROTOCOL_FEATURES";
    case Request::kGetQueueNum:
      return "GET_QUEUE_NUM";
    case Request::kSetVringEnable:
      return "SET_VRING_ENABLE";
    case Request::kGetConfig:
      return "GET_CONFIG";
    case Request::kSetConfig:
      return "SET_CONFIG";
    case Request::kResetDevice:
      return "RESET_DEVICE";
    case Request::kGetMaxMemSlots:
      return "GET_MAX_MEM_SLOTS";
    case Request::kAddMemReg:
      return "ADD_MEM_REG";
    case Request::kRemMemReg:
      return "REM_MEM_REG";
  }
  return "an unknown request";
}

std::optional<uint64_t> decodeU64(const Message& message) {
  return decodeExactly<uint64_t>(message);
}

std::optional<VringState> decodeVringState(const Message& message) {
  return decodeExactly<VringState>(message);
}

std::optional<VringAddr> decodeVringAddr(const Message& message) {
  return decodeExactly<VringAddr>(message);
}

std::optional<VringFd> decodeVringFd(const Message& message) {
  constexpr uint64_t kIndexMask = 0xff;
  constexpr uint64_t kNoFd = 0x100;
  const auto word = decodeU64(message);
  if (!word || (*word & ~(kIndexMask | kNoFd)) != 0) return std::nullopt;
  const bool hasFd = (*word & kNoFd) == 0;
  if (message.fds.size() != (hasFd ? 1u : 0u)) return std::nullopt;
  return VringFd{static_cast<uint32_t>(*word & kIndexMask), hasFd};
}

std::optional<ConfigArea> decodeConfig(const Message& message) {
  ConfigArea area;
  if (message.payload.size() < sizeof(area)) return std::nullopt;
  std::memcpy(&area, message.payload.data(), sizeof(area));
  if (area.sizeBytes > kMaxConfigBytes || area.offset > kMaxConfigBytes - area.sizeBytes ||
      message.payload.size() != sizeof(area) + area.sizeBytes) {
    return std::nullopt;
  }
  return area;
}

std::optional<MemoryRegionSpec> decodeRegion(const Message& message) {
  if (message.payload.size() != kRegionsOffset + kRegionBytes) return std::nullopt;
  return regionAt(message, kRegionsOffset);
}

std::optional<std::vector<MemoryRegionSpec>> decodeMemTable(const Message& message) {
  uint32_t count = 0;
  if (message.payload.size() < kRegionsOffset) return std::nullopt;
  std::memcpy(&count, message.payload.data(), sizeof(count));
  if (count == 0 || count > kMaxTableRegions || message.fds.size() != count ||
      message.payload.size() < kRegionsOffset + count * kRegionBytes) {
    return std::nullopt;
  }
  std::vector<MemoryRegionSpec> regions;
  for (uint32_t i = 0; i < count; i++) {
    regions.push_back(regionAt(message, kRegionsOffset + i * kRegionBytes));
  }
  return regions;
}

}  // namespace czone::vhost_user
