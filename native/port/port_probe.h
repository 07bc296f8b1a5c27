// SPDX-License-Identifier: Apache-2.0
// Whether somebody takes connections at a port, asked again and again without waiting.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>

#include "os/unique_fd.h"

namespace czone {

class PortProbe {
 public:
  /** A try that was neither answered nor refused is given up after this long. */
  static constexpr uint64_t kTryNs = 1'000'000'000;

  /** Empty: `address` is no IPv4 address. */
  static std::optional<PortProbe> Of(const std::string& address, uint16_t port);

  /** Begins a try, or looks after the one that was begun. True: the port has answered. */
  bool Ask(uint64_t now_ns);

 private:
  explicit PortProbe(const sockaddr_in& peer) : peer_(peer) {}

  bool Begin(uint64_t now_ns);
  bool Look(uint64_t now_ns);

  sockaddr_in peer_;
  UniqueFd socket_;
  uint64_t began_ns_ = 0;
};

}  // namespace czone
