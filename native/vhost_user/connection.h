// SPDX-License-Identifier: Apache-2.0
// The socket to one front-end: reads whole messages with their descriptors and
// sends replies, without ever waiting for the peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "os/unique_fd.h"
#include "vhost_user/message.h"

namespace czone::vhost_user {

class Connection {
 public:
  enum class Read {
    kMessage,
    /** Not all of a message is there yet. */
    kAgain,
    /** The peer went away. */
    kClosed,
    /** The stream can't be understood any further; problem() says why. */
    kBroken,
  };

  /** The socket is made non-blocking. */
  explicit Connection(UniqueFd socket);

  int fd() const { return socket_.get(); }
  Read read(Message* message);
  const std::string& problem() const { return problem_; }

  /**
   * Sends a reply. False where the peer does not take it: front-ends wait for each
   * reply, so a full socket buffer means a peer that sends without reading.
   */
  bool reply(Request request, const void* payload, uint32_t sizeBytes);

 private:
  /** Reads up to `sizeBytes`; descriptors that come along are kept for the message. */
  Read receive(uint8_t* into, size_t sizeBytes, size_t* receivedBytes);
  Read broken(std::string problem);

  UniqueFd socket_;
  Message partial_;
  size_t headerBytes_ = 0;
  size_t payloadBytes_ = 0;
  std::string problem_;
};

}  // namespace czone::vhost_user
