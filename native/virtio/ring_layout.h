// SPDX-License-Identifier: Apache-2.0
// The structures of a split virtqueue, from the kernel's header.
#pragma once

// Without the layout helpers, which are no C++.
#ifndef VIRTIO_RING_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#endif
#include <linux/virtio_ring.h>
