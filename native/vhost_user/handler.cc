// SPDX-License-Identifier: Apache-2.0
#include "vhost_user/handler.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace czone::vhost_user {
namespace {

constexpr uint64_t kFeatureVersion1 = uint64_t{1} << VIRTIO_F_VERSION_1;

constexpr uint64_t kProtocolFeatures = kProtocolMq | kProtocolReplyAck | kProtocolConfig |
                                       kProtocolResetDevice | kProtocolConfigureMemSlots;

constexpr const char* kGone = "the front-end does not take replies";

/**
 * Whether it is an eventfd. Of anything else (a regular file, a socket) we could
 * not know whether reading drains it.
 */
bool isEventFd(int fd) {
  char link[64];
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(path.c_str(), link, sizeof(link));
  return length > 0 && std::string(link, static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

void makeNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

std::optional<std::string> Handler::handle(Connection& connection, Message message, bool* alive) {
  bool answered = false;
  const uint32_t request = message.header.request;
  const bool wantsAck = message.needsReply() && (protocolFeatures_ & kProtocolReplyAck) != 0;
  auto problem = carryOut(connection, message, &answered);
  *alive = true;
  if (problem == kGone) {
    *alive = false;
    return problem;
  }
  if (wantsAck && !answered) {
    const uint64_t failed = problem ? 1 : 0;
    if (!connection.reply(static_cast<Request>(request), &failed, sizeof(failed))) {
      *alive = false;
      if (!problem) problem = kGone;
    }
  } else if (problem) {
    // The peer believes that we did what it said: there is no going on from there.
    *alive = false;
  }
  if (problem) problem = std::string(requestName(request)) + ": " + *problem;
  return problem;
}

std::optional<std::string> Handler::carryOut(Connection& connection, Message& message,
                                             bool* answered) {
  switch (message.request()) {
    case Request::kGetFeatures:
      *answered = true;
      return replyU64(connection, message,
                      device_.features() | kFeatureVersion1 | kFeatureProtocolFeatures);
    case Request::kSetFeatures: {
      const auto bits = decodeU64(message);
      if (!bits) return "wrong size";
      if (*bits & ~(device_.features() | kFeatureVersion1 | kFeatureProtocolFeatures)) {
        return "bits that were not offered";
      }
      features_ = *bits;
      return std::nullopt;
    }
    case Request::kGetProtocolFeatures:
      *answered = true;
      return replyU64(connection, message, kProtocolFeatures);
    case Request::kSetProtocolFeatures: {
      const auto bits = decodeU64(message);
      if (!bits) return "wrong size";
      if (*bits & ~kProtocolFeatures) return "bits that were not offered";
      protocolFeatures_ = *bits;
      return std::nullopt;
    }
    case Request::kGetQueueNum:
      *answered = true;
      return replyU64(connection, message, kQueueCount);
    case Request::kGetMaxMemSlots:
      *answered = true;
      return replyU64(connection, message, GuestMemory::kMaxRegions);
    case Request::kGetConfig:
      *answered = true;
      return getConfig(connection, message);
    case Request::kSetConfig:
      // All of the config space is read-only to the driver; what it writes is lost.
      if (!decodeConfig(message)) return "wrong size";
      return std::nullopt;
    case Request::kSetOwner:
      return std::nullopt;
    case Request::kResetOwner:
    case Request::kResetDevice:
      stopQueues("the driver has reset the device");
      for (Vring& vring : vrings_) vring = Vring{};
      return std::nullopt;
    case Request::kSetMemTable:
    case Request::kAddMemReg:
    case Request::kRemMemReg:
      return setMemory(message);
    case Request::kSetVringNum:
    case Request::kSetVringBase:
    case Request::kSetVringAddr:
    case Request::kSetVringEnable:
      return setVring(message);
    case Request::kSetVringKick:
    case Request::kSetVringCall:
    case Request::kSetVringErr:
      return setVringFd(message);
    case Request::kGetVringBase:
      *answered = true;
      return getVringBase(connection, message);
  }
  return "number " + std::to_string(message.header.request) + " is not served";
}

std::optional<std::string> Handler::replyU64(Connection& connection, const Message& message,
                                             uint64_t value) {
  if (!connection.reply(message.request(), &value, sizeof(value))) return kGone;
  return std::nullopt;
}

std::optional<std::string> Handler::getConfig(Connection& connection, const Message& message) {
  const auto area = decodeConfig(message);
  if (!area) {
    // An empty payload is the protocol's way to say no.
    if (!connection.reply(Request::kGetConfig, nullptr, 0)) return kGone;
    return "wrong size";
  }
  std::vector<uint8_t> payload(sizeof(*area) + area->sizeBytes);
  std::memcpy(payload.data(), &*area, sizeof(*area));
  const std::vector<uint8_t>& config = device_.config();
  for (uint32_t i = 0; i < area->sizeBytes; i++) {
    const size_t at = size_t{area->offset} + i;
    payload[sizeof(*area) + i] = at < config.size() ? config[at] : 0;
  }
  if (!connection.reply(Request::kGetConfig, payload.data(),
                        static_cast<uint32_t>(payload.size()))) {
    return kGone;
  }
  return std::nullopt;
}

std::optional<std::string> Handler::setMemory(Message& message) {
  if (message.request() == Request::kRemMemReg) {
    // Some front-ends send the descriptor along; it is closed with the message.
    const auto spec = decodeRegion(message);
    if (!spec || message.fds.size() > 1) return "wrong size";
    return memory_.remove(*spec) ? std::nullopt
                                 : std::optional<std::string>("there is no such region");
  }
  if (message.request() == Request::kAddMemReg) {
    const auto spec = decodeRegion(message);
    if (!spec || message.fds.size() != 1) return "wrong size";
    return memory_.add(*spec, std::move(message.fds[0]));
  }
  const auto specs = decodeMemTable(message);
  if (!specs) return "wrong size";
  memory_.clear();
  for (size_t i = 0; i < specs->size(); i++) {
    if (auto problem = memory_.add((*specs)[i], std::move(message.fds[i]))) return problem;
  }
  return std::nullopt;
}

std::optional<std::string> Handler::setVring(Message& message) {
  if (message.request() == Request::kSetVringAddr) {
    const auto addr = decodeVringAddr(message);
    if (!addr) return "wrong size";
    if (addr->index >= kQueueCount) return "there is no such vring";
    Vring& vring = vrings_[addr->index];
    if (vring.kick.valid()) return "the vring is started";
    if (addr->flags != 0) return "logging was not offered";
    vring.userAddr = *addr;
    return std::nullopt;
  }
  const auto state = decodeVringState(message);
  if (!state) return "wrong size";
  if (state->index >= kQueueCount) return "there is no such vring";
  Vring& vring = vrings_[state->index];
  if (message.request() == Request::kSetVringEnable) {
    vring.enabled = state->value != 0;
    if (vring.enabled) return startQueues();
    stopQueues("the driver's queues were disabled");
    return std::nullopt;
  }
  if (vring.kick.valid()) return "the vring is started";
  if (message.request() == Request::kSetVringNum) {
    if (!SplitQueue::sizeAllowed(state->value)) return "not a size that a vring can have";
    vring.size = state->value;
    return std::nullopt;
  }
  if (state->value > 0xffff) return "the index is out of range";
  vring.base = static_cast<uint16_t>(state->value);
  return std::nullopt;
}

std::optional<std::string> Handler::setVringFd(Message& message) {
  const auto target = decodeVringFd(message);
  if (!target) return "wrong size or descriptors";
  if (target->index >= kQueueCount) return "there is no such vring";
  UniqueFd fd;
  if (target->hasFd) {
    fd = std::move(message.fds[0]);
    if (!isEventFd(fd.get())) return "the descriptor is no eventfd";
    makeNonBlocking(fd.get());
  }
  Vring& vring = vrings_[target->index];
  switch (message.request()) {
    case Request::kSetVringKick:
      if (!fd.valid()) return "polling of vrings is not served";
      vring.kick = std::move(fd);
      return startQueues();
    case Request::kSetVringCall:
      vring.call = std::move(fd);
      return std::nullopt;
    default:
      return std::nullopt;  // an err descriptor: nothing is ever told there
  }
}

std::optional<std::string> Handler::getVringBase(Connection& connection, const Message& message) {
  const auto state = decodeVringState(message);
  if (!state || state->index >= kQueueCount) {
    const uint64_t nothing = 0;
    if (!connection.reply(Request::kGetVringBase, &nothing, sizeof(nothing))) return kGone;
    return "there is no such vring";
  }
  stopQueues("the driver has stopped its queues");
  Vring& vring = vrings_[state->index];
  const VringState reply{state->index, vring.base};
  vring.kick.reset();
  vring.call.reset();
  vring.userAddr.reset();
  vring.enabled = false;
  if (!connection.reply(Request::kGetVringBase, &reply, sizeof(reply))) return kGone;
  return std::nullopt;
}

bool Handler::wantsToRun(const Vring& vring) const {
  // Without protocol features rings start enabled; then there is no config space
  // either, so such a front-end is of no use here.
  return vring.kick.valid() && vring.enabled;
}

std::optional<std::string> Handler::startQueues() {
  if (running_) return std::nullopt;
  for (const Vring& vring : vrings_) {
    if (!wantsToRun(vring)) return std::nullopt;
  }
  if ((features_ & kFeatureVersion1) == 0) return "the driver does not speak virtio 1";
  for (Vring& vring : vrings_) {
    if (!vring.userAddr) return "a vring has no address";
    const auto size = static_cast<uint16_t>(vring.size);
    const auto desc =
        memory_.userToGuest(vring.userAddr->descUserAddr, SplitQueueLayout::descBytes(size));
    const auto avail =
        memory_.userToGuest(vring.userAddr->availUserAddr, SplitQueueLayout::availBytes(size));
    const auto used =
        memory_.userToGuest(vring.userAddr->usedUserAddr, SplitQueueLayout::usedBytes(size));
    if (!desc || !avail || !used ||
        !vring.queue.start(memory_, {size, *desc, *avail, *used}, vring.base)) {
      return "a vring does not lie in the guest's memory";
    }
  }
  running_ = true;
  device_.onStarted(features_);
  return std::nullopt;
}

void Handler::stopQueues(const std::string& reason) {
  if (!running_) return;
  running_ = false;
  for (Vring& vring : vrings_) vring.base = vring.queue.nextAvail();
  device_.onStopped(reason);
}

void Handler::fail(const std::string& reason) {
  stopQueues(reason);
  // The front-end starts a vring only with a new kick descriptor.
  for (Vring& vring : vrings_) vring.enabled = false;
}

void Handler::reset(const std::string& reason) {
  stopQueues(reason);
  for (Vring& vring : vrings_) vring = Vring{};
  features_ = 0;
  protocolFeatures_ = 0;
  memory_.clear();
}

int Handler::kickFd(uint32_t index) const { return running_ ? vrings_[index].kick.get() : -1; }

void Handler::notify(uint32_t index) {
  const Vring& vring = vrings_[index];
  if (!running_ || !vring.call.valid() || !vring.queue.wantsInterrupt(memory_)) return;
  const uint64_t one = 1;
  // A full counter (EAGAIN) means that the driver will look anyway.
  [[maybe_unused]] const ssize_t written = ::write(vring.call.get(), &one, sizeof(one));
}

}  // namespace czone::vhost_user
