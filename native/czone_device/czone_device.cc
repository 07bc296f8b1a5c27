// SPDX-License-Identifier: Apache-2.0
#include "czone_device/czone_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace czone {
namespace {

constexpr uint32_t kCommandQueue = VIRTIO_CZONE_VQ_COMMAND;
constexpr uint32_t kResponseQueue = VIRTIO_CZONE_VQ_RESPONSE;
static_assert(VIRTIO_CZONE_VQ_COUNT == vhost_user::Handler::kQueueCount);

virtio_czone_ack makeAck(uint16_t result, uint64_t discardedBytes) {
  virtio_czone_ack ack{};
  ack.result = result;
  ack.discarded = discardedBytes;
  return ack;
}

Reply endedWith(Result result) {
  Reply reply;
  reply.result = result;
  return reply;
}

}  // namespace

CzoneDevice::CzoneDevice(const DeviceConfig& config, GuestMemory& memory, Listener& listener,
                         Clock clock)
    : config_(config),
      configSpace_(configSpace(config)),
      memory_(memory),
      listener_(listener),
      clock_(clock) {}

void CzoneDevice::onStarted(uint64_t ackedFeatures) {
  running_ = true;
  ackedFeatures_ = ackedFeatures;
  violations_ = 0;
  listener_.onEvent(EventKind::kReady, "");
}

void CzoneDevice::onStopped(const std::string& reason) {
  running_ = false;
  expired_.clear();
  while (!pending_.empty()) finish(pending_.begin()->first, Result::kDisconnected);
  listener_.onEvent(EventKind::kDisconnected, reason);
}

void CzoneDevice::submit(uint64_t token, const Command& command) {
  if (!running_) return listener_.onReply(token, endedWith(Result::kDisconnected));
  if (command.type == CommandType::kReport && (ackedFeatures_ & features()) == 0) {
    return listener_.onReply(token, endedWith(Result::kUnsupported));
  }
  const uint64_t seq = ++lastSeq_;
  if (auto refusal = zones_.begin(command, seq)) {
    Reply reply = endedWith(Result::kInvalid);
    reply.refusal = *refusal;
    return listener_.onReply(token, std::move(reply));
  }
  Pending& pending = pending_[seq];
  pending.token = token;
  pending.command = command;
  pending.beganNs = clock_();
  pending.deadlineNs = pending.beganNs + command.timeoutNs;
  unsent_.push_back(seq);
  sendCommands();
}

void CzoneDevice::sendCommands() {
  bool sent = false;
  while (running_ && !unsent_.empty()) {
    SplitQueue& queue = handler_->queue(kCommandQueue);
    Chain chain;
    const SplitQueue::Pop popped = queue.pop(memory_, &chain);
    if (popped == SplitQueue::Pop::kEmpty) break;
    if (popped == SplitQueue::Pop::kBroken) {
      handler_->fail("the command queue is broken: " + queue.problem());
      return;
    }
    const uint64_t seq = unsent_.front();
    Pending& pending = pending_.at(seq);
    virtio_czone_command command{};
    command.seq = seq;
    command.type = static_cast<uint16_t>(pending.command.type);
    command.zone_id = pending.command.zoneId;
    command.addr = pending.command.range.addr;
    command.size = pending.command.range.sizeBytes;
    const bool fits = chain.count == 1 && chain.readableCount == 0 &&
                      chain.writableBytes >= sizeof(command) &&
                      SplitQueue::writeChain(memory_, chain, &command, sizeof(command));
    queue.push(memory_, chain.head, fits ? sizeof(command) : 0);
    sent = true;
    if (!fits) {
      violation("a buffer for commands can't hold one");
      continue;
    }
    pending.sent = true;
    unsent_.pop_front();
  }
  if (sent) handler_->notify(kCommandQueue);
}

bool CzoneDevice::serve() {
  sendCommands();
  return takeResponses();
}

bool CzoneDevice::takeResponses() {
  bool taken = false;
  // A driver that goes on and on must not keep the thread from its other work.
  for (uint32_t left = SplitQueue::kMaxSize; running_ && left > 0; left--) {
    SplitQueue& queue = handler_->queue(kResponseQueue);
    Chain chain;
    const SplitQueue::Pop popped = queue.pop(memory_, &chain);
    if (popped == SplitQueue::Pop::kChain) {
      takeResponse(chain);
      taken = true;
      continue;
    }
    if (popped == SplitQueue::Pop::kBroken) {
      handler_->fail("the response queue is broken: " + queue.problem());
    }
    if (taken) handler_->notify(kResponseQueue);
    return false;
  }
  if (taken) handler_->notify(kResponseQueue);
  return running_;
}

void CzoneDevice::takeResponse(const Chain& chain) {
  const virtio_czone_ack ack = answer(chain);
  // Too many violations may have stopped the queues in between.
  if (!running_) return;
  const bool written = SplitQueue::writeChain(memory_, chain, &ack, sizeof(ack));
  handler_->queue(kResponseQueue).push(memory_, chain.head, written ? sizeof(ack) : 0);
}

virtio_czone_ack CzoneDevice::answer(const Chain& chain) {
  if (chain.writableBytes < sizeof(virtio_czone_ack))
    return refuse("a response has no room for an ack");
  if (chain.readableBytes > kMaxResponseBytes) return refuse("a response is too long");
  // One copy, so that what is checked is what is used.
  uint8_t bytes[kMaxResponseBytes];
  const auto sizeBytes = static_cast<size_t>(chain.readableBytes);
  if (!SplitQueue::readChain(memory_, chain, bytes, sizeBytes)) {
    return refuse("a response lies outside the guest's memory");
  }
  std::string problem;
  const auto response = parseResponse(bytes, sizeBytes, &problem);
  if (!response) return refuse(problem);

  const auto pending = pending_.find(response->seq);
  const auto expired = expired_.find(response->seq);
  const bool isPending = pending != pending_.end() && pending->second.sent;
  if (!isPending && expired == expired_.end()) return refuse("a response to no command");
  const Command& command = isPending ? pending->second.command : expired->second;
  if (response->type != command.type) return refuse("a response to another kind of command");
  if (response->zoneId != command.zoneId) return refuse("a response for another zone");
  return isPending ? answerPending(response->seq, pending->second, *response)
                   : answerExpired(response->seq, command, *response);
}

virtio_czone_ack CzoneDevice::answerPending(uint64_t seq, Pending& pending,
                                            const Response& response) {
  const Command command = pending.command;
  Reply& reply = pending.reply;
  const uint64_t returnedBefore = reply.returnedBytes;
  reply.guestNs = response.guestNs;
  reply.pagesInUse = response.pagesInUse;
  std::optional<std::string> problem;

  if (command.type == CommandType::kReport) {
    problem = checkRanges(response.ranges, command.range);
    if (!problem) {
      reply.ranges += response.ranges.size();
      measureResident(command.range, &reply);
      for (const Range& range : response.ranges) {
        if (!discardCounted(range, &reply)) problem = "a reported range could not be discarded";
      }
    }
  } else if (command.type == CommandType::kList) {
    problem = checkZones(response.zones, reply.zones, config_);
    if (!problem) {
      reply.zones.insert(reply.zones.end(), response.zones.begin(), response.zones.end());
    }
  } else if (command.type == CommandType::kUnplug && response.result == Result::kOk) {
    measureResident(command.range, &reply);
    if (!discardCounted(command.range, &reply)) problem = "the zone could not be discarded";
  }

  const uint64_t returned = reply.returnedBytes - returnedBefore;
  if (problem) pending.failed = true;
  const bool failed = pending.failed;
  if (!response.more) finish(seq, failed ? Result::kError : response.result);
  if (problem) return refuse(*problem);
  return makeAck(VIRTIO_CZONE_OK, returned);
}

virtio_czone_ack CzoneDevice::answerExpired(uint64_t seq, const Command& command,
                                            const Response& response) {
  const Command copy = command;
  if (!response.more) expired_.erase(seq);
  uint64_t returned = 0;
  if (copy.type == CommandType::kReport && !response.ranges.empty()) {
    // Nobody waits for it, and the driver takes the pages back all the same.
    return makeAck(VIRTIO_CZONE_INVALID, 0);
  }
  if (copy.type == CommandType::kUnplug && response.result == Result::kOk &&
      zones_.lateUnplugCounts(copy, seq)) {
    Reply reply;
    if (!discardCounted(copy.range, &reply)) return refuse("the zone could not be discarded");
    returned = reply.returnedBytes;
  }
  zones_.endLate(copy, seq, response.result);
  return makeAck(VIRTIO_CZONE_OK, returned);
}

/** Before the first discard of a command. */
void CzoneDevice::measureResident(const Range& zone, Reply* reply) {
  uint64_t bytes = 0;
  if (reply->residentBeforeBytes < 0 && memory_.allocated(zone, &bytes) == 0) {
    reply->residentBeforeBytes = static_cast<int64_t>(bytes);
  }
}

/** Discards a part of the command's range; counts what was allocated before and after. */
bool CzoneDevice::discardCounted(const Range& range, Reply* reply) {
  uint64_t before = 0;
  uint64_t after = 0;
  if (memory_.allocated(range, &before) != 0 || memory_.discard(range) != 0 ||
      memory_.allocated(range, &after) != 0) {
    return false;
  }
  // The guest may have touched the range in between; it gains nothing by that.
  reply->returnedBytes += before > after ? before - after : 0;
  return true;
}

void CzoneDevice::finish(uint64_t seq, Result result) {
  const auto found = pending_.find(seq);
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (!pending.sent) unsent_.erase(std::find(unsent_.begin(), unsent_.end(), seq));
  if (pending.command.type == CommandType::kList && result == Result::kOk) {
    zones_.adopt(pending.reply.zones, busyZones(seq));
  }
  zones_.end(pending.command, result, pending.sent);
  pending.reply.result = result;
  pending.reply.roundTripNs = clock_() - pending.beganNs;
  if (result != Result::kOk) pending.reply.zones.clear();
  listener_.onReply(pending.token, std::move(pending.reply));
}

std::set<uint32_t> CzoneDevice::busyZones(uint64_t exceptSeq) const {
  std::set<uint32_t> busy;
  for (const auto& [seq, pending] : pending_) {
    if (seq != exceptSeq) busy.insert(pending.command.zoneId);
  }
  // An unanswered UNPLUG has had its effect when LIST no longer shows the zone; an
  // unanswered PLUG may have its effect still to come.
  for (const auto& [seq, command] : expired_) {
    if (command.type == CommandType::kPlug) busy.insert(command.zoneId);
  }
  return busy;
}

void CzoneDevice::expire() {
  const uint64_t nowNs = clock_();
  std::vector<uint64_t> over;
  for (const auto& [seq, pending] : pending_) {
    if (pending.deadlineNs <= nowNs) over.push_back(seq);
  }
  for (const uint64_t seq : over) {
    const Pending& pending = pending_.at(seq);
    if (pending.sent) {
      if (expired_.size() >= kMaxExpired) expired_.erase(expired_.begin());
      expired_[seq] = pending.command;
    }
    finish(seq, Result::kTimeout);
  }
}

std::optional<uint64_t> CzoneDevice::nextDeadlineNs() const {
  std::optional<uint64_t> next;
  for (const auto& [seq, pending] : pending_) {
    if (!next || pending.deadlineNs < *next) next = pending.deadlineNs;
  }
  return next;
}

Discarded CzoneDevice::discard(const Range& range) {
  constexpr uint64_t kPageBytes = GuestMemory::kPageBytes;
  if (range.sizeBytes == 0 || range.addr % kPageBytes != 0 || range.sizeBytes % kPageBytes != 0 ||
      !config_.region.contains(range)) {
    return {0, "the range is empty, not page-aligned, or outside the region"};
  }
  if (!memory_.covers(range)) return {0, "no VMM is connected whose memory it could be"};
  const auto contradicts = [&](const Command& command) {
    return command.type != CommandType::kList && command.range.overlaps(range);
  };
  for (const auto& [seq, pending] : pending_) {
    if (contradicts(pending.command)) return {0, "a command for it is under way"};
  }
  // A PLUG that takes effect later would lay its memory map where we punch.
  for (const auto& [seq, command] : expired_) {
    if (command.type == CommandType::kPlug && contradicts(command)) {
      return {0, "a PLUG of it is still unanswered; remove the device and add it again first"};
    }
  }
  if (auto refusal = zones_.forget(range)) return {0, *refusal};
  Reply counted;
  if (!discardCounted(range, &counted)) return {0, "the host can't punch it out of the file"};
  return {counted.returnedBytes, ""};
}

virtio_czone_ack CzoneDevice::refuse(const std::string& detail) {
  violation(detail);
  return makeAck(VIRTIO_CZONE_INVALID, 0);
}

void CzoneDevice::violation(const std::string& detail) {
  listener_.onEvent(EventKind::kViolation, detail);
  if (++violations_ == kMaxViolations)
    handler_->fail("the driver breaks the protocol again and again");
}

}  // namespace czone
