/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef _LINUX_VIRTIO_CZONE_H
#define _LINUX_VIRTIO_CZONE_H
/*
 * czone-virtio: a paravirtual device that plugs and unplugs container memory
 * zones (czones) of a guest, and takes back what a live zone has freed.
 *
 * This header is the specification of the device.
 *
 * Terms
 * -----
 * The *region* is one range of guest-physical addresses, set aside for zones.
 * The driver must keep it out of its ordinary memory. A *zone* is a contiguous,
 * block-aligned range of the region with an id from 1 to max_zones. The device
 * alone chooses ids and ranges; the driver checks that they lie in the region
 * and overlap no other zone, and refuses what does not.
 *
 * Memory of the region that belongs to no plugged zone has no backing on the
 * host, and the driver must not touch it: a read would allocate it again.
 *
 * Queues
 * ------
 * VIRTIO_CZONE_VQ_COMMAND: the driver keeps device-writable buffers of
 *   sizeof(struct virtio_czone_command) here, one descriptor each. The device
 *   fills one to give a command.
 * VIRTIO_CZONE_VQ_RESPONSE: the driver sends each response as two descriptors:
 *   a device-readable struct virtio_czone_response with its ranges or zones
 *   behind it, and a device-writable struct virtio_czone_ack. The device
 *   completes the buffer when it has acted on the response (for ranges: when
 *   the host has the memory back).
 *
 * Every command is answered by exactly one final response with the same seq.
 * REPORT and LIST may be preceded by responses with
 * VIRTIO_CZONE_RESPONSE_F_MORE set. Commands for different zones may be
 * answered in any order; commands for one zone are carried out in the order
 * in which they were given.
 *
 * When the device goes (reset, unplug of the device, crash of its back-end)
 * and comes again, zones stay as they are in the driver. The device then asks
 * for them with LIST. A command that was cut off is not answered; its effect is
 * seen in the answer to LIST.
 *
 * All fields are little-endian. Reserved fields are zero and are ignored.
 */

#include <linux/types.h>
#include <linux/virtio_types.h>
#include <linux/virtio_ids.h>

/*
 * The id 13 was reserved for a memory balloon that was never specified; hosts
 * with a generic vhost-user device accept it.
 */
#define VIRTIO_ID_CZONE			VIRTIO_ID_MEMORY_BALLOON

/* "CZON"; a driver that finds anything else must not touch the device */
#define VIRTIO_CZONE_MAGIC		0x4e4f5a43
#define VIRTIO_CZONE_VERSION		1

/* Feature bits */
#define VIRTIO_CZONE_F_REPORT		0 /* REPORT is served */

/* Virtqueues */
#define VIRTIO_CZONE_VQ_COMMAND		0
#define VIRTIO_CZONE_VQ_RESPONSE	1
#define VIRTIO_CZONE_VQ_COUNT		2

/* Limits */
#define VIRTIO_CZONE_BLOCK_SIZE_MIN	(2U << 20) /* bytes */
#define VIRTIO_CZONE_ZONE_SIZE_MIN	(4U << 20) /* bytes */
#define VIRTIO_CZONE_ID_MAX		4095
#define VIRTIO_CZONE_RANGES_MAX		255 /* of one response */
#define VIRTIO_CZONE_ZONES_MAX		127 /* of one response */

/* Read-only to the driver. */
struct virtio_czone_config {
	__le32 magic;		/* VIRTIO_CZONE_MAGIC */
	__le32 version;		/* VIRTIO_CZONE_VERSION */
	__le64 region_addr;	/* bytes, guest-physical, block-aligned */
	__le64 region_size;	/* bytes, a multiple of block_size */
	__le32 block_size;	/* bytes, a power of two, at least ..._BLOCK_SIZE_MIN */
	__le32 max_zones;	/* 1 to VIRTIO_CZONE_ID_MAX */
};

/*
 * Commands (device to driver)
 *
 * PLUG	  make a zone of zone_id from [addr, addr + size).
 *	  OK: its pages can be used. The host keeps the range backed on demand.
 *	  INVALID: id or range is out of bounds, misaligned or too small.
 *	  EXISTS: the id is plugged, or the range overlaps another zone.
 *	  NOMEM: the guest has no memory for what it keeps outside the zone.
 * UNPLUG take zone_id away. addr and size must be those of PLUG.
 *	  OK: no page of the zone is in use and the driver will not touch the
 *	  range again; the device discards all of it before it acknowledges.
 *	  NOENT: no such zone. INVALID: another range.
 *	  BUSY: tasks or descriptors still hold the zone, or pages of it are in
 *	  use and can't be moved; nr_pages_in_use of the response says how many.
 *	  The zone stays plugged and usable and the command can be repeated.
 * REPORT name the free pages of a zone that the host still backs. The driver
 *	  isolates them, sends them as ranges, and puts them back when the device
 *	  has acknowledged. addr and size are those of PLUG.
 *	  OK: all were sent. NOENT, INVALID as above.
 * LIST	  name all plugged zones (struct virtio_czone_zone behind the response).
 *	  zone_id, addr and size are zero.
 */
#define VIRTIO_CZONE_CMD_PLUG		1
#define VIRTIO_CZONE_CMD_UNPLUG		2
#define VIRTIO_CZONE_CMD_REPORT		3
#define VIRTIO_CZONE_CMD_LIST		4

struct virtio_czone_command {
	__le64 seq;		/* chosen by the device, not zero, never reused */
	__le16 type;		/* VIRTIO_CZONE_CMD_* */
	__le16 flags;		/* reserved */
	__le32 zone_id;
	__le64 addr;		/* bytes, guest-physical */
	__le64 size;		/* bytes */
};

/* Results, each listed with the commands it can answer */
#define VIRTIO_CZONE_OK			0 /* all */
#define VIRTIO_CZONE_INVALID		1 /* all: the command itself is wrong */
#define VIRTIO_CZONE_NOENT		2 /* UNPLUG, REPORT */
#define VIRTIO_CZONE_EXISTS		3 /* PLUG */
#define VIRTIO_CZONE_NOMEM		4 /* all */
#define VIRTIO_CZONE_BUSY		5 /* UNPLUG, REPORT */
#define VIRTIO_CZONE_UNSUPPORTED	6 /* an unknown command */
#define VIRTIO_CZONE_ERROR		7 /* all: something else; see the kernel log */

/* More responses with this seq follow; result is VIRTIO_CZONE_OK. */
#define VIRTIO_CZONE_RESPONSE_F_MORE	(1 << 0)

struct virtio_czone_response {
	__le64 seq;		/* of the command */
	__le16 type;		/* of the command */
	__le16 result;		/* VIRTIO_CZONE_OK ... */
	__le16 flags;		/* VIRTIO_CZONE_RESPONSE_F_* */
	__le16 nr_entries;	/* ranges or zones that follow */
	__le32 zone_id;		/* of the command */
	__le32 nr_pages_in_use;	/* UNPLUG with BUSY: 4 KiB pages; else 0 */
	__le64 guest_ns;	/* ns that the driver took so far, without waiting for acks */
};

/* Behind a response to REPORT: page-aligned, inside the zone, not overlapping. */
struct virtio_czone_range {
	__le64 addr;		/* bytes, guest-physical */
	__le64 size;		/* bytes, a multiple of 4096, not zero */
};

/* Behind a response to LIST. */
#define VIRTIO_CZONE_STATE_PLUGGED	1 /* no task in it */
#define VIRTIO_CZONE_STATE_ACTIVE	2 /* tasks or descriptors hold it */
#define VIRTIO_CZONE_STATE_DRAINING	3 /* an unplug is under way */

struct virtio_czone_zone {
	__le32 zone_id;
	__le32 state;		/* VIRTIO_CZONE_STATE_* */
	__le64 addr;		/* bytes */
	__le64 size;		/* bytes */
	__le64 free;		/* bytes in the buddy allocator */
};

struct virtio_czone_ack {
	__le16 result;		/* OK, or INVALID: the device refused the response */
	__le16 reserved[3];
	__le64 discarded;	/* bytes of the ranges that the host discarded */
};

#endif /* _LINUX_VIRTIO_CZONE_H */
