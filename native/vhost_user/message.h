// SPDX-License-Identifier: Apache-2.0
// vhost-user messages (QEMU, docs/interop/vhost-user.rst): their bytes and syntax.
//
// Decoders take a payload of exactly the right size or give nothing. Whether the
// values make sense is the handler's business.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "guest_memory/guest_memory.h"
#include "os/unique_fd.h"

namespace czone::vhost_user {

enum class Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
  kSetConfig = 25,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
};

/** Feature bit of virtio's feature word: protocol features can be negotiated. */
constexpr uint64_t kFeatureProtocolFeatures = uint64_t{1} << 30;

constexpr uint64_t kProtocolMq = uint64_t{1} << 0;
constexpr uint64_t kProtocolReplyAck = uint64_t{1} << 3;
constexpr uint64_t kProtocolConfig = uint64_t{1} << 9;
constexpr uint64_t kProtocolResetDevice = uint64_t{1} << 13;
constexpr uint64_t kProtocolConfigureMemSlots = uint64_t{1} << 15;

constexpr uint32_t kVersion = 1;
constexpr uint32_t kFlagVersionMask = 0x3;
constexpr uint32_t kFlagReply = 1 << 2;
constexpr uint32_t kFlagNeedReply = 1 << 3;

/** Limits of one message. */
constexpr uint32_t kMaxPayloadBytes = 512;
constexpr size_t kMaxFds = 8;
/** Of SET_MEM_TABLE, by the protocol. */
constexpr uint32_t kMaxTableRegions = 8;
/** Of the config area, by the protocol. */
constexpr uint32_t kMaxConfigBytes = 256;

struct Header {
  uint32_t request = 0;
  uint32_t flags = 0;
  uint32_t sizeBytes = 0;
};
static_assert(sizeof(Header) == 12);

struct Message {
  Header header;
  std::vector<uint8_t> payload;
  std::vector<UniqueFd> fds;

  Request request() const { return static_cast<Request>(header.request); }
  bool needsReply() const { return (header.flags & kFlagNeedReply) != 0; }
};

struct VringState {
  uint32_t index = 0;
  uint32_t value = 0;
};

struct VringAddr {
  uint32_t index = 0;
  uint32_t flags = 0;
  uint64_t descUserAddr = 0;
  uint64_t usedUserAddr = 0;
  uint64_t availUserAddr = 0;
  uint64_t logAddr = 0;
};
static_assert(sizeof(VringAddr) == 40);

/** Payload of SET_VRING_KICK, _CALL and _ERR. */
struct VringFd {
  uint32_t index = 0;
  bool hasFd = false;
};

struct ConfigArea {
  uint32_t offset = 0;
  uint32_t sizeBytes = 0;
  uint32_t flags = 0;
};
static_assert(sizeof(ConfigArea) == 12);

/** Name of a request, for messages to people. */
const char* requestName(uint32_t request);

std::optional<uint64_t> decodeU64(const Message& message);
std::optional<VringState> decodeVringState(const Message& message);
std::optional<VringAddr> decodeVringAddr(const Message& message);
std::optional<VringFd> decodeVringFd(const Message& message);
/** The area, which is at most kMaxConfigBytes and as long as the bytes behind it. */
std::optional<ConfigArea> decodeConfig(const Message& message);
/** One region, of ADD_MEM_REG and REM_MEM_REG. */
std::optional<MemoryRegionSpec> decodeRegion(const Message& message);
/** 1 to kMaxTableRegions regions. */
std::optional<std::vector<MemoryRegionSpec>> decodeMemTable(const Message& message);

}  // namespace czone::vhost_user
