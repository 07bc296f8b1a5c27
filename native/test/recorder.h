// SPDX-License-Identifier: Apache-2.0
// A listener that keeps what it is told, for a test to wait for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "czone_device/czone_device.h"
#include "test/check.h"

namespace czone::test {

class Recorder final : public Listener {
 public:
  void onEvent(const Event& event) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    events_.emplace_back(event.kind, event.text);
    if (event.kind == EventKind::kReady) features_ = event.features;
    changed_.notify_all();
  }

  void onGuestEvents(const std::vector<GuestEvent>& events) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    guestEvents_.insert(guestEvents_.end(), events.begin(), events.end());
    changed_.notify_all();
  }

  void onReply(uint64_t token, Reply reply) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!answered_.insert(token).second) twice_ = true;
    replies_[token] = std::move(reply);
    changed_.notify_all();
  }

  /** Waits for it; it is taken out. */
  Reply reply(uint64_t token) {
    std::unique_lock<std::mutex> lock(mutex_);
    await(lock, "a reply", [&] { return replies_.count(token) != 0; });
    CHECK(!twice_);
    Reply reply = std::move(replies_[token]);
    replies_.erase(token);
    return reply;
  }

  bool hasReply(uint64_t token) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return replies_.count(token) != 0;
  }

  /** Waits for the next event of this kind; it and those before it are taken out. */
  std::string event(EventKind kind) {
    std::unique_lock<std::mutex> lock(mutex_);
    std::string text;
    await(lock, "an event", [&] {
      while (!events_.empty()) {
        const auto first = events_.front();
        events_.erase(events_.begin());
        if (first.first == kind) {
          text = first.second;
          return true;
        }
      }
      return false;
    });
    return text;
  }

  /** Waits for the next one of the guest's; it is taken out. */
  GuestEvent guestEvent() {
    std::unique_lock<std::mutex> lock(mutex_);
    await(lock, "an event of the guest", [&] { return !guestEvents_.empty(); });
    const GuestEvent event = guestEvents_.front();
    guestEvents_.erase(guestEvents_.begin());
    return event;
  }

  size_t guestEventCount() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return guestEvents_.size();
  }

  /** Of the newest driver. */
  uint64_t features() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return features_;
  }

  size_t count(EventKind kind) {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t found = 0;
    for (const auto& event : events_) found += event.first == kind ? 1 : 0;
    return found;
  }

 private:
  template <typename Condition>
  void await(std::unique_lock<std::mutex>& lock, const char* what, Condition condition) {
    if (!changed_.wait_for(lock, std::chrono::seconds(30), condition)) {
      throw Failure{std::string("waited in vain for ") + what};
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<EventKind, std::string>> events_;
  std::vector<GuestEvent> guestEvents_;
  uint64_t features_ = 0;
  std::map<uint64_t, Reply> replies_;
  std::set<uint64_t> answered_;
  bool twice_ = false;
};

}  // namespace czone::test
