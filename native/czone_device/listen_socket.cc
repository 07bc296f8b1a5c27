// SPDX-License-Identifier: Apache-2.0
#include "czone_device/listen_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os/system_error.h"

namespace czone {

UniqueFd listenAt(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path) ||
      path.find('\0') != std::string::npos) {
    throwErrno("listen at " + path, ENAMETOOLONG);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());

  struct stat status = {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) throwErrno("listen at " + path, EEXIST);
    if (::unlink(path.c_str()) != 0) throwErrno("remove the old socket " + path);
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throwErrno("make a socket for " + path);
  // bind() gives the file the mode of the socket, so it never stands open to others.
  if (::fchmod(socket.get(), 0600) != 0) throwErrno("set the mode of " + path);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(socket.get(), 1) != 0) {
    throwErrno("listen at " + path);
  }
  return socket;
}

}  // namespace czone
