// SPDX-License-Identifier: Apache-2.0
// Zones as descriptors: /dev/czone and the ioctls of linux/czone.h.
#pragma once

#include <linux/czone.h>

#include <cstdint>

namespace czone {

/** A descriptor (close-on-exec) of the zone, or -errno. */
int OpenZone(uint32_t zone_id);

/** 0 or -errno. */
int GetZoneInfo(int zone_fd, struct czone_info* info);

}  // namespace czone
