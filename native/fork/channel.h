// SPDX-License-Identifier: Apache-2.0
// The socket between the daemon and a zygote (docs/zygote.md), or the maker of sandboxes:
// whole messages, descriptors with them one way. What comes from a zygote is hostile.
#pragma once

#include <cstddef>
#include <vector>

namespace czone {

/** A pair of connected ends, close-on-exec. 0 or -errno. */
int MakeChannel(int ends[2]);

/** Never waits. 0 or -errno; EAGAIN: the other end does not read. */
int SendMessage(int fd, const void* bytes, size_t length, const std::vector<int>& descriptors);

/**
 * Never waits. The length, 0 at the end, or -errno; EMSGSIZE: it is longer than that.
 * Descriptors that came with it are gone.
 */
long ReceiveMessage(int fd, void* bytes, size_t size);

/**
 * A descriptor of another process, if it is an end of a channel: how a restarted daemon
 * gets its end back. -errno; EPROTOTYPE: it is something else.
 */
int TakeChannel(int pidfd, int number);

}  // namespace czone
