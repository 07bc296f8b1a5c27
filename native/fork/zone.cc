// SPDX-License-Identifier: Apache-2.0
#include "fork/zone.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace czone {

int OpenZone(uint32_t zone_id) {
  int device = open("/dev/czone", O_RDWR | O_CLOEXEC);
  if (device < 0) return -errno;
  struct czone_open request = {};
  request.zone_id = zone_id;
  int zone = ioctl(device, CZONE_IOC_OPEN, &request);
  int error = errno;
  close(device);
  return zone < 0 ? -error : zone;
}

int GetZoneInfo(int zone_fd, struct czone_info* info) {
  return ioctl(zone_fd, CZONE_IOC_INFO, info) < 0 ? -errno : 0;
}

}  // namespace czone
