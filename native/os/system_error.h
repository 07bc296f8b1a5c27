// SPDX-License-Identifier: Apache-2.0
// errno as an exception that says what was being done.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace czone {

[[noreturn]] inline void throwErrno(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace czone
