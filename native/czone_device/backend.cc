// SPDX-License-Identifier: Apache-2.0
#include "czone_device/backend.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "czone_device/listen_socket.h"
#include "os/clock.h"
#include "os/system_error.h"

namespace czone {
namespace {

const DeviceConfig& checked(const DeviceConfig& config) {
  if (auto problem = checkConfig(config)) throw std::invalid_argument(*problem);
  return config;
}

/** Milliseconds until the deadline, rounded up so that poll() does not return before it. */
int waitMs(std::optional<uint64_t> deadlineNs) {
  if (!deadlineNs) return -1;
  const uint64_t nowNs = monotonicNs();
  if (*deadlineNs <= nowNs) return 0;
  return static_cast<int>(std::min<uint64_t>((*deadlineNs - nowNs) / 1'000'000 + 1, INT_MAX));
}

}  // namespace

Backend::Backend(const std::string& socketPath, const DeviceConfig& config, Listener& listener)
    : socketPath_(socketPath),
      config_(checked(config)),
      listener_(listener),
      memory_(config.region),
      device_(config, memory_, listener, monotonicNs),
      handler_(memory_, device_),
      listenSocket_(listenAt(socketPath)),
      wakeFd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wakeFd_.valid()) throwErrno("make an eventfd");
  device_.attach(handler_);
  // Signals are for the process's other threads; SIGPIPE must not hit this one.
  sigset_t all;
  sigset_t old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void Backend::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wakeFd_.get(), &one, sizeof(one));
}

bool Backend::post(Entry entry) {
  {
    const std::lock_guard<std::mutex> lock(inboxMutex_);
    if (closed_) return false;
    inbox_.push_back(std::move(entry));
  }
  wake();
  return true;
}

bool Backend::submit(uint64_t token, const Command& command) {
  return post({token, command, nullptr});
}

Discarded Backend::discard(const Range& range) {
  Entry entry;
  entry.command.range = range;
  entry.discard = std::make_shared<std::promise<Discarded>>();
  auto result = entry.discard->get_future();
  if (!post(std::move(entry))) return {0, "the device is closed"};
  return result.get();
}

void Backend::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
  ::unlink(socketPath_.c_str());
}

void Backend::takeInbox() {
  std::vector<Entry> entries;
  {
    const std::lock_guard<std::mutex> lock(inboxMutex_);
    entries.swap(inbox_);
  }
  for (Entry& entry : entries) {
    if (entry.discard) {
      entry.discard->set_value(device_.discard(entry.command.range));
    } else {
      device_.submit(entry.token, entry.command);
    }
  }
}

void Backend::run() {
  bool moreWork = false;
  while (!stopping_) {
    const bool connected = connection_ != nullptr;
    // One front-end at a time: the next waits in the backlog.
    pollfd fds[3 + vhost_user::Handler::kQueueCount] = {
        {wakeFd_.get(), POLLIN, 0},
        {connected ? -1 : listenSocket_.get(), POLLIN, 0},
        {connected ? connection_->fd() : -1, POLLIN, 0},
    };
    for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
      fds[3 + i] = {handler_.kickFd(i), POLLIN, 0};
    }
    const int ready = ::poll(fds, 3 + vhost_user::Handler::kQueueCount,
                             moreWork ? 0 : waitMs(device_.nextDeadlineNs()));
    if (ready < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wakeFd_.get(), &count, sizeof(count));
    }
    for (uint32_t i = 0; i < vhost_user::Handler::kQueueCount; i++) {
      if (fds[3 + i].revents != 0) drainKick(i);
    }
    if (fds[1].revents != 0) acceptFrontEnd();
    if (fds[2].revents != 0) readFrontEnd();
    takeInbox();
    device_.expire();
    moreWork = device_.serve();
  }
  {
    const std::lock_guard<std::mutex> lock(inboxMutex_);
    closed_ = true;
  }
  takeInbox();
  if (connection_) hangUp("the device was closed");
}

void Backend::drainKick(uint32_t index) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(handler_.kickFd(index), &count, sizeof(count));
}

void Backend::acceptFrontEnd() {
  UniqueFd socket(::accept4(listenSocket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid()) return;
  connection_ = std::make_unique<vhost_user::Connection>(std::move(socket));
  frontEndViolations_ = 0;
  listener_.onEvent({EventKind::kConnected, ""});
}

void Backend::readFrontEnd() {
  // Bounded, so that a front-end that never stops does not keep the queues waiting.
  for (int left = 64; left > 0; left--) {
    vhost_user::Message message;
    switch (connection_->read(&message)) {
      case vhost_user::Connection::Read::kAgain:
        return;
      case vhost_user::Connection::Read::kClosed:
        return hangUp("the VMM closed the connection");
      case vhost_user::Connection::Read::kBroken: {
        const std::string problem = connection_->problem();
        listener_.onEvent({EventKind::kViolation, problem});
        return hangUp(problem);
      }
      case vhost_user::Connection::Read::kMessage:
        break;
    }
    bool alive = true;
    const auto problem = handler_.handle(*connection_, std::move(message), &alive);
    if (problem) {
      listener_.onEvent({EventKind::kViolation, *problem});
      if (++frontEndViolations_ == CzoneDevice::kMaxViolations) alive = false;
    }
    if (!alive) return hangUp(problem.value_or("the connection broke"));
  }
}

void Backend::hangUp(const std::string& reason) {
  const bool wasRunning = handler_.running();
  connection_.reset();
  handler_.reset(reason);
  // Where the queues ran, the device has said so itself.
  if (!wasRunning) listener_.onEvent({EventKind::kDisconnected, reason});
}

}  // namespace czone
