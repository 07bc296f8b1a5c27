// SPDX-License-Identifier: Apache-2.0
// A listening unix socket that only our own user can connect to.
#pragma once

#include <string>

#include "os/unique_fd.h"

namespace czone {

/**
 * Mode 0600, non-blocking, close-on-exec. A socket that is left over at the path is
 * replaced; any other file there is not. Throws std::system_error.
 */
UniqueFd listenAt(const std::string& path);

}  // namespace czone
