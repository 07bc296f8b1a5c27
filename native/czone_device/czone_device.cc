// SPDX-License-Identifier: Apache-2.0
#include "czone_device/czone_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace czone {
namespace {

constexpr uint32_t kCommandQueue = VIRTIO_CZONE_VQ_COMMAND;
constexpr uint32_t kResponseQueue = VIRTIO_CZONE_VQ_RESPONSE;
constexpr uint32_t kEventQueue = VIRTIO_CZONE_VQ_EVENT;
/** Of no command. */
constexpr uint64_t kNoSeq = 0;
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
  ackedFeatures_ = ackedFeatures & kFeatures;
  violations_ = 0;
  listener_.onEvent({EventKind::kReady, "", ackedFeatures_});
}

void CzoneDevice::onStopped(const std::string& reason) {
  running_ = false;
  expired_.clear();
  events_.clear();
  while (!pending_.empty()) finish(pending_.begin()->first, Result::kDisconnected);
  listener_.onEvent({EventKind::kDisconnected, reason});
}

bool CzoneDevice::supports(const Command& command) const {
  switch (command.type) {
    case CommandType::kReport:
      return has(VIRTIO_CZONE_F_REPORT);
    case CommandType::kResize:
      return has(VIRTIO_CZONE_F_RESIZE);
    case CommandType::kPlug:
      return command.limitBytes == command.range.sizeBytes || has(VIRTIO_CZONE_F_RESIZE);
    case CommandType::kUnplug:
      return !command.zombie || has(VIRTIO_CZONE_F_ZOMBIE);
    case CommandType::kList:
      return true;
  }
  return false;
}

void CzoneDevice::submit(uint64_t token, const Command& given) {
  if (!running_) return listener_.onReply(token, endedWith(Result::kDisconnected));
  Command command = given;
  const bool wholeZone = command.type == CommandType::kPlug || command.type == CommandType::kUnplug;
  if (wholeZone && command.limitBytes == 0) command.limitBytes = command.range.sizeBytes;
  if (!supports(command)) return listener_.onReply(token, endedWith(Result::kUnsupported));
  const uint64_t seq = ++lastSeq_;
  if (auto refusal = zones_.begin(command, seq)) {
    Reply reply = endedWith(Result::kInvalid);
    reply.refusal = *refusal;
    return listener_.onReply(token, std::move(reply));
  }
  Pending& pending = pending_[seq];
  pending.token = token;
  pending.command = command;
  pending.zone = pending.reserved = command.range;
  if (command.type == CommandType::kPlug) pending.reserved.sizeBytes = command.limitBytes;
  if (const ZoneTable::Zone* zone = zones_.find(command.zoneId)) {
    if (command.type == CommandType::kResize) pending.zone = zone->range;
    pending.reserved = zone->reserved();
  }
  pending.beganNs = clock_();
  pending.deadlineNs = pending.beganNs + command.timeoutNs;
  unsent_.push_back(seq);
  sendCommands();
}

void CzoneDevice::sendCommands() {
  bool pushed = false;
  std::vector<uint64_t> sent;
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
    command.flags = pending.command.zombie ? VIRTIO_CZONE_COMMAND_F_ZOMBIE : 0;
    command.zone_id = pending.command.zoneId;
    command.addr = pending.command.range.addr;
    command.size = pending.command.range.sizeBytes;
    if (pending.command.type == CommandType::kPlug) command.limit = pending.command.limitBytes;
    const bool fits = chain.count == 1 && chain.readableCount == 0 &&
                      chain.writableBytes >= sizeof(command) &&
                      SplitQueue::writeChain(memory_, chain, &command, sizeof(command));
    queue.push(memory_, chain.head, fits ? sizeof(command) : 0);
    pushed = true;
    if (!fits) {
      violation("a buffer for commands can't hold one");
      continue;
    }
    pending.sent = true;
    unsent_.pop_front();
    sent.push_back(seq);
  }
  if (pushed) handler_->notify(kCommandQueue);
  countUnplugged(sent);
}

/** While the guest is at work: to count takes a while, and later the bytes would wait for it. */
void CzoneDevice::countUnplugged(const std::vector<uint64_t>& sent) {
  for (const uint64_t seq : sent) {
    const auto found = pending_.find(seq);
    if (found == pending_.end() || found->second.command.type != CommandType::kUnplug) continue;
    uint64_t bytes = 0;
    if (memory_.allocated(found->second.reserved, &bytes) == 0) found->second.residentBytes = bytes;
  }
}

bool CzoneDevice::serve() {
  sendCommands();
  const bool moreResponses = takeResponses();
  const bool moreEvents = takeEvents();
  return running_ && (moreResponses || moreEvents);
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

  if (response->seq == kNoSeq && has(VIRTIO_CZONE_F_ENDING)) return answerEnding(*response);
  const auto pending = pending_.find(response->seq);
  const auto expired = expired_.find(response->seq);
  const bool isPending = pending != pending_.end() && pending->second.sent;
  if (!isPending && expired == expired_.end()) return refuse("a response to no command");
  const Command& command = isPending ? pending->second.command : expired->second.command;
  if (response->type != command.type) return refuse("a response to another kind of command");
  if (response->zoneId != command.zoneId) return refuse("a response for another zone");
  return isPending ? answerPending(response->seq, pending->second, *response)
                   : answerExpired(response->seq, command, *response);
}

virtio_czone_ack CzoneDevice::answerPending(uint64_t seq, Pending& pending,
                                            const Response& response) {
  Reply& reply = pending.reply;
  const uint64_t returnedBefore = reply.returnedBytes;
  reply.guestNs = response.guestNs;
  reply.pagesInUse = response.pagesInUse;
  const auto problem = carryOut(pending, response);
  const uint64_t returned = reply.returnedBytes - returnedBefore;
  if (problem) pending.failed = true;
  const bool failed = pending.failed;
  if (!response.more) finish(seq, failed ? Result::kError : response.result);
  if (problem) return refuse(*problem);
  return makeAck(VIRTIO_CZONE_OK, returned);
}

/** What the response asks of the host. A text: it makes no sense, or could not be done. */
std::optional<std::string> CzoneDevice::carryOut(Pending& pending, const Response& response) {
  const Command& command = pending.command;
  Reply& reply = pending.reply;
  const bool ok = response.result == Result::kOk;
  switch (command.type) {
    case CommandType::kPlug:
      if (ok && response.sizeBytes != command.range.sizeBytes) return "a zone has another size";
      if (ok) reply.sizeBytes = response.sizeBytes;
      return std::nullopt;
    case CommandType::kList: {
      const auto problem = checkZones(response.zones, reply.zones, config_);
      if (problem) return problem;
      reply.zones.insert(reply.zones.end(), response.zones.begin(), response.zones.end());
      return std::nullopt;
    }
    case CommandType::kReport:
      return letGo(pending, response.ranges, {pending.zone});
    case CommandType::kUnplug:
      if (response.more) return letGo(pending, response.ranges, {pending.zone});
      if (ok) {
        // Not when a part was discarded meanwhile.
        std::optional<uint64_t> resident;
        if (reply.residentBeforeBytes < 0 && pending.residentBytes) {
          resident = pending.residentBytes;
          reply.residentBeforeBytes = static_cast<int64_t>(*resident);
        }
        measureResident(pending.reserved, &reply);
        // Above its size the zone has nothing, unless the guest does what it must not.
        if (!discardCounted(pending.reserved, &reply, resident)) {
          return "the zone could not be discarded";
        }
        return std::nullopt;
      }
      if (!response.pins.empty() && !command.zombie) return "pins of a zone that is no zombie";
      if (const auto problem = checkPins(response.pins, pending.zone)) return problem;
      reply.pins = response.pins;
      return std::nullopt;
    case CommandType::kResize: {
      if (!response.more) return ok ? endResize(pending, response.sizeBytes) : std::nullopt;
      const Range& zone = pending.zone;
      const uint64_t asked = command.range.sizeBytes;
      if (asked >= zone.sizeBytes) return "ranges of a zone that does not shrink";
      return letGo(pending, response.ranges,
                   {{zone.addr + asked, zone.sizeBytes - asked},
                    memmapOf(zone.addr, pending.reserved.sizeBytes, config_.blockBytes)});
    }
  }
  return std::nullopt;
}

/** Discards ranges that the driver named, each inside one of `allowed`. */
std::optional<std::string> CzoneDevice::letGo(Pending& pending, const std::vector<Range>& ranges,
                                              const std::vector<Range>& allowed) {
  if (auto problem = checkRanges(ranges, allowed)) return problem;
  pending.reply.ranges += ranges.size();
  measureResident(pending.reserved, &pending.reply);
  for (const Range& range : ranges) {
    if (!discardCounted(range, &pending.reply)) return "a reported range could not be discarded";
  }
  return std::nullopt;
}

std::optional<std::string> CzoneDevice::endResize(Pending& pending, uint64_t sizeBytes) {
  const Range& zone = pending.zone;
  const uint64_t asked = pending.command.range.sizeBytes;
  if (sizeBytes < std::min(asked, zone.sizeBytes) || sizeBytes > std::max(asked, zone.sizeBytes) ||
      sizeBytes % config_.blockBytes != 0) {
    return "a zone has a size that nobody asked for";
  }
  pending.reply.sizeBytes = sizeBytes;
  if (sizeBytes >= zone.sizeBytes) return std::nullopt;
  // What lies there now belongs to no zone, whether it was named or not.
  measureResident(pending.reserved, &pending.reply);
  if (!discardCounted({zone.addr + sizeBytes, zone.sizeBytes - sizeBytes}, &pending.reply)) {
    return "the end of the zone could not be discarded";
  }
  return std::nullopt;
}

/** Ranges that nobody asked for: the last processes of a zone are ending. */
virtio_czone_ack CzoneDevice::answerEnding(const Response& response) {
  if (response.type != CommandType::kReport || !response.more) {
    return refuse("a response to no command");
  }
  // No offence: before LIST is answered, the zones that an earlier device plugged are not known.
  const ZoneTable::Zone* zone = zones_.find(response.zoneId);
  if (zone == nullptr) return makeAck(VIRTIO_CZONE_INVALID, 0);
  // A RESIZE may have had its effect and not its answer.
  if (const auto problem = checkRanges(response.ranges, {zone->reserved()})) {
    return refuse(*problem);
  }
  Reply counted;
  bool discarded = true;
  for (const Range& range : response.ranges) {
    discarded = discarded && discardCounted(range, &counted);
  }
  zones_.addEnded(response.zoneId, counted.returnedBytes);
  for (auto& [seq, pending] : pending_) {
    // It was counted as its command was sent; see countUnplugged().
    if (pending.command.zoneId != response.zoneId || !pending.residentBytes) continue;
    *pending.residentBytes -= std::min(*pending.residentBytes, counted.returnedBytes);
  }
  if (!discarded) return refuse("a reported range could not be discarded");
  return makeAck(VIRTIO_CZONE_OK, counted.returnedBytes);
}

virtio_czone_ack CzoneDevice::answerExpired(uint64_t seq, const Command& command,
                                            const Response& response) {
  const Command copy = command;
  if (!response.more) expired_.erase(seq);
  uint64_t returned = 0;
  if (!response.ranges.empty()) {
    // Nobody waits for it, and the driver takes the pages back all the same.
    return makeAck(VIRTIO_CZONE_INVALID, 0);
  }
  if (copy.type == CommandType::kUnplug && response.result == Result::kOk && !response.more &&
      zones_.lateUnplugCounts(copy, seq)) {
    Reply reply;
    if (!discardCounted(zones_.find(copy.zoneId)->reserved(), &reply)) {
      return refuse("the zone could not be discarded");
    }
    returned = reply.returnedBytes;
  }
  if (!response.more) zones_.endLate(copy, seq, response.result, response.sizeBytes);
  return makeAck(VIRTIO_CZONE_OK, returned);
}

bool CzoneDevice::takeEvents() {
  bool taken = false;
  bool more = true;
  for (uint32_t left = SplitQueue::kMaxSize; more && running_ && left > 0; left--) {
    SplitQueue& queue = handler_->queue(kEventQueue);
    Chain chain;
    const SplitQueue::Pop popped = queue.pop(memory_, &chain);
    if (popped == SplitQueue::Pop::kBroken) {
      handler_->fail("the event queue is broken: " + queue.problem());
    }
    more = popped == SplitQueue::Pop::kChain;
    if (!more) break;
    if (const auto problem = takeEvent(chain)) violation(*problem);
    // Too many violations may have stopped the queues.
    if (!running_) return false;
    queue.push(memory_, chain.head, 0);
    taken = true;
  }
  if (taken) handler_->notify(kEventQueue);
  tellEvents();
  return more;
}

std::optional<std::string> CzoneDevice::takeEvent(const Chain& chain) {
  virtio_czone_event event{};
  if (chain.count != 1 || chain.readableBytes != sizeof(event)) {
    return "an event is not as long as it must be";
  }
  if (!SplitQueue::readChain(memory_, chain, &event, sizeof(event))) {
    return "an event lies outside the guest's memory";
  }
  const bool want = event.type == VIRTIO_CZONE_EVENT_WANT && has(VIRTIO_CZONE_F_RESIZE);
  const bool released = event.type == VIRTIO_CZONE_EVENT_RELEASED && has(VIRTIO_CZONE_F_ZOMBIE);
  if (!want && !released) return "an event is of an unknown type, or was not negotiated";
  const Range zone{config_.region.addr, event.size};
  if (checkZone(config_, event.zone_id, zone)) return "an event is of a zone that can't be";
  if (want) {
    const ZoneTable::Zone* known = zones_.find(event.zone_id);
    const uint64_t limit = known != nullptr ? known->limitBytes : config_.region.sizeBytes;
    if (event.value <= event.size || event.value % config_.blockBytes != 0 || event.value > limit) {
      return "a zone wants a size that it can't have";
    }
  } else if (event.value > event.size / GuestMemory::kPageBytes) {
    return "a zone has more pages in use than it has";
  }
  const auto kind = static_cast<GuestEvent::Kind>(event.type);
  events_[{event.zone_id, kind}] = {kind, event.zone_id, event.size, event.value};
  return std::nullopt;
}

void CzoneDevice::tellEvents() {
  if (events_.empty() || clock_() < eventsDueNs_) return;
  std::vector<GuestEvent> told;
  for (const auto& [key, event] : events_) told.push_back(event);
  events_.clear();
  eventsDueNs_ = clock_() + kEventPauseNs + told.size() * kEventPauseEachNs;
  listener_.onGuestEvents(told);
}

/** Before the first discard of a command. */
void CzoneDevice::measureResident(const Range& zone, Reply* reply) {
  uint64_t bytes = 0;
  if (reply->residentBeforeBytes >= 0 || memory_.allocated(zone, &bytes) != 0) return;
  reply->residentBeforeBytes = static_cast<int64_t>(bytes);
}

/**
 * Discards a part of the command's range; counts what was allocated before and after.
 * `allocated`: what it was a moment ago, where that is known: to count takes a while. What
 * the guest has touched since is returned, and not told.
 */
bool CzoneDevice::discardCounted(const Range& range, Reply* reply,
                                 std::optional<uint64_t> allocated) {
  uint64_t before = allocated.value_or(0);
  uint64_t after = 0;
  if ((!allocated && memory_.allocated(range, &before) != 0) || memory_.discard(range) != 0 ||
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
  if (const ZoneTable::Zone* zone = zones_.find(pending.command.zoneId);
      zone != nullptr && pending.command.type == CommandType::kUnplug) {
    pending.reply.earlierBytes = zone->endedBytes;
  }
  zones_.end(pending.command, result, pending.sent, pending.reply.sizeBytes);
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
  // unanswered PLUG or RESIZE may have its effect still to come.
  for (const auto& [seq, expired] : expired_) {
    const CommandType type = expired.command.type;
    if (type == CommandType::kPlug || type == CommandType::kResize) {
      busy.insert(expired.command.zoneId);
    }
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
      expired_[seq] = {pending.command, pending.reserved};
    }
    finish(seq, Result::kTimeout);
  }
  tellEvents();
}

std::optional<uint64_t> CzoneDevice::nextDeadlineNs() const {
  std::optional<uint64_t> next;
  for (const auto& [seq, pending] : pending_) {
    if (!next || pending.deadlineNs < *next) next = pending.deadlineNs;
  }
  if (!events_.empty() && (!next || eventsDueNs_ < *next)) next = eventsDueNs_;
  return next;
}

Discarded CzoneDevice::discard(const Range& range) {
  constexpr uint64_t kPageBytes = GuestMemory::kPageBytes;
  if (range.sizeBytes == 0 || range.addr % kPageBytes != 0 || range.sizeBytes % kPageBytes != 0 ||
      !config_.region.contains(range)) {
    return {0, "the range is empty, not page-aligned, or outside the region"};
  }
  if (!memory_.covers(range)) return {0, "no VMM is connected whose memory it could be"};
  const auto contradicts = [&](const Command& command, const Range& reserved) {
    return command.type != CommandType::kList && reserved.overlaps(range);
  };
  for (const auto& [seq, pending] : pending_) {
    if (contradicts(pending.command, pending.reserved)) return {0, "a command for it is under way"};
  }
  // A PLUG that takes effect later would lay its memory map where we punch.
  for (const auto& [seq, expired] : expired_) {
    if (expired.command.type == CommandType::kPlug &&
        contradicts(expired.command, expired.reserved)) {
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
  listener_.onEvent({EventKind::kViolation, detail});
  if (++violations_ == kMaxViolations)
    handler_->fail("the driver breaks the protocol again and again");
}

}  // namespace czone
