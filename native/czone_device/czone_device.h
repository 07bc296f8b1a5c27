// SPDX-License-Identifier: Apache-2.0
// The device of linux/virtio_czone.h: gives commands, checks and carries out what
// the driver answers.
//
// Single-threaded: one thread owns it together with its handler and memory. What
// comes from the guest decides nothing but what it is allowed to by the command it
// answers: ranges are discarded only inside the range of a zone that a pending
// command named. Events decide nothing here: they are told, the newest of each kind
// for each zone, and not more often than the listener can take.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "czone_device/command.h"
#include "czone_device/device_config.h"
#include "czone_device/response.h"
#include "czone_device/zone_table.h"
#include "guest_memory/guest_memory.h"
#include "vhost_user/handler.h"

namespace czone {

enum class EventKind { kConnected, kReady, kDisconnected, kViolation };

struct Event {
  EventKind kind = EventKind::kConnected;
  std::string text;
  /** kReady: of VIRTIO_CZONE_F_*, as bits, what driver and device both have. */
  uint64_t features = 0;
};

/** Who is told. Called on the device's thread. */
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void onEvent(const Event& event) = 0;
  /** At most one of a kind for a zone. */
  virtual void onGuestEvents(const std::vector<GuestEvent>& events) = 0;
  /** Exactly once for each command that was submitted. */
  virtual void onReply(uint64_t token, Reply reply) = 0;
};

struct Discarded {
  uint64_t bytes = 0;
  /** Not empty: nothing was discarded. */
  std::string refusal;
};

class CzoneDevice final : public vhost_user::Device {
 public:
  /** After so many violations by the driver its queues are no longer served. */
  static constexpr uint32_t kMaxViolations = 64;
  /** Unanswered commands that are remembered after their time-out. */
  static constexpr size_t kMaxExpired = 1024;
  /** Events are told at once, then not again for so long, and so much more for each. */
  static constexpr uint64_t kEventPauseNs = 2'000'000;
  static constexpr uint64_t kEventPauseEachNs = 100'000;
  static constexpr uint64_t kFeatures =
      uint64_t{1} << VIRTIO_CZONE_F_REPORT | uint64_t{1} << VIRTIO_CZONE_F_RESIZE |
      uint64_t{1} << VIRTIO_CZONE_F_ZOMBIE | uint64_t{1} << VIRTIO_CZONE_F_ENDING;

  using Clock = uint64_t (*)();

  CzoneDevice(const DeviceConfig& config, GuestMemory& memory, Listener& listener, Clock clock);

  /** Before anything else; the handler outlives every other call. */
  void attach(vhost_user::Handler& handler) { handler_ = &handler; }

  // Of vhost_user::Device.
  uint64_t features() const override { return kFeatures; }
  const std::vector<uint8_t>& config() const override { return configSpace_; }
  void onStarted(uint64_t ackedFeatures) override;
  void onStopped(const std::string& reason) override;

  /** Gives a command. The reply comes by the listener, perhaps before this returns. */
  void submit(uint64_t token, const Command& command);
  /** Discards a range that the guest does not hold. */
  Discarded discard(const Range& range);
  /** Looks at the queues. True: there is more to do, call again. */
  bool serve();
  /** Ends commands whose time is over, and tells the events that had to wait. */
  void expire();
  /** When expire() is next due. */
  std::optional<uint64_t> nextDeadlineNs() const;

 private:
  struct Pending {
    uint64_t token = 0;
    Command command;
    /** The zone when the command was given, and the addresses that are its own. */
    Range zone;
    Range reserved;
    uint64_t beganNs = 0;
    uint64_t deadlineNs = 0;
    bool sent = false;
    /**
     * UNPLUG: what the zone had when the command was given, where that is known, without
     * what came back since, unasked.
     */
    std::optional<uint64_t> residentBytes;
    /** A part of the answer was refused. */
    bool failed = false;
    Reply reply;
  };

  struct Expired {
    Command command;
    Range reserved;
  };

  bool has(int feature) const { return (ackedFeatures_ >> feature & 1) != 0; }
  bool supports(const Command& command) const;
  void sendCommands();
  void countUnplugged(const std::vector<uint64_t>& sent);
  bool takeResponses();
  void takeResponse(const Chain& chain);
  virtio_czone_ack answer(const Chain& chain);
  virtio_czone_ack answerPending(uint64_t seq, Pending& pending, const Response& response);
  virtio_czone_ack answerEnding(const Response& response);
  virtio_czone_ack answerExpired(uint64_t seq, const Command& command, const Response& response);
  std::optional<std::string> carryOut(Pending& pending, const Response& response);
  std::optional<std::string> letGo(Pending& pending, const std::vector<Range>& ranges,
                                   const std::vector<Range>& allowed);
  std::optional<std::string> endResize(Pending& pending, uint64_t sizeBytes);
  bool takeEvents();
  std::optional<std::string> takeEvent(const Chain& chain);
  void tellEvents();
  void measureResident(const Range& zone, Reply* reply);
  bool discardCounted(const Range& range, Reply* reply,
                      std::optional<uint64_t> allocated = std::nullopt);
  void finish(uint64_t seq, Result result);
  virtio_czone_ack refuse(const std::string& detail);
  void violation(const std::string& detail);
  std::set<uint32_t> busyZones(uint64_t exceptSeq) const;

  const DeviceConfig config_;
  const std::vector<uint8_t> configSpace_;
  GuestMemory& memory_;
  Listener& listener_;
  const Clock clock_;
  vhost_user::Handler* handler_ = nullptr;

  bool running_ = false;
  uint64_t ackedFeatures_ = 0;
  uint32_t violations_ = 0;
  uint64_t lastSeq_ = 0;
  ZoneTable zones_;
  /** By seq, so in the order in which they were given. */
  std::map<uint64_t, Pending> pending_;
  std::deque<uint64_t> unsent_;
  /** Sent and given up, not yet answered. */
  std::map<uint64_t, Expired> expired_;
  /** By zone and kind: what was not told yet. Zone ids are bounded, and so is it. */
  std::map<std::pair<uint32_t, GuestEvent::Kind>, GuestEvent> events_;
  uint64_t eventsDueNs_ = 0;
};

}  // namespace czone
