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
 * A zone has a *size*, the memory that it has, and a *limit*, the addresses that
 * are reserved for it: [addr, addr + limit) overlaps no other zone's. It grows
 * and shrinks between the two by RESIZE, always at its end. The memmap of a
 * zone lies at its start; addresses for that of the whole limit are set aside
 * there, but only the part that describes [addr, addr + size) is touched. So the
 * smallest size is limit / 64 for the memmap and 2 MiB to use, rounded up to whole
 * blocks, and never less than VIRTIO_CZONE_ZONE_SIZE_MIN.
 *
 * Memory of the region that belongs to no plugged zone has no backing on the
 * host, and the driver must not touch it: a read would allocate it again. The
 * same holds for [addr + size, addr + limit) of a zone.
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
 * VIRTIO_CZONE_VQ_EVENT: the driver tells what the device did not ask for: one
 *   device-readable descriptor, struct virtio_czone_event, completed at once.
 *   There is at most one event of a type under way for a zone.
 *
 * Every command is answered by exactly one final response with the same seq.
 * It may be preceded by responses with
 * VIRTIO_CZONE_RESPONSE_F_MORE set: LIST, REPORT, UNPLUG and RESIZE. Commands for different zones may be
 * answered in any order; commands for one zone are carried out in the order
 * in which they were given.
 *
 * With VIRTIO_CZONE_F_ENDING the driver may send ranges that no command asked
 * for, while the last processes of a zone end: a response to REPORT with seq 0,
 * OK and F_MORE. They are free, and nobody gets them before the device has
 * acknowledged them. So the host has most of a zone's memory before its UNPLUG.
 * The response queue has a place for one of these beside those of the commands;
 * it has four descriptors or more.
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
#define VIRTIO_CZONE_VERSION		2

/* Feature bits */
#define VIRTIO_CZONE_F_REPORT		0 /* REPORT is served */
#define VIRTIO_CZONE_F_RESIZE		1 /* RESIZE, limit > size, EVENT_WANT */
#define VIRTIO_CZONE_F_ZOMBIE		2 /* COMMAND_F_ZOMBIE, EVENT_RELEASED */
#define VIRTIO_CZONE_F_ENDING		3 /* responses without a command; see below */

/* Virtqueues */
#define VIRTIO_CZONE_VQ_COMMAND		0
#define VIRTIO_CZONE_VQ_RESPONSE	1
#define VIRTIO_CZONE_VQ_EVENT		2
#define VIRTIO_CZONE_VQ_COUNT		3

/* Limits */
#define VIRTIO_CZONE_BLOCK_SIZE_MIN	(2U << 20) /* bytes */
#define VIRTIO_CZONE_ZONE_SIZE_MIN	(4U << 20) /* bytes */
#define VIRTIO_CZONE_ID_MAX		4095
#define VIRTIO_CZONE_RANGES_MAX		255 /* of one response */
#define VIRTIO_CZONE_ZONES_MAX		100 /* of one response */
#define VIRTIO_CZONE_PINS_MAX		64 /* of one response */

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
 * PLUG	  make a zone of zone_id from [addr, addr + size), which may grow up to
 *	  limit bytes (limit == size without F_RESIZE).
 *	  OK: its pages can be used. The host keeps the range backed on demand.
 *	  INVALID: id, range or limit is out of bounds, misaligned or too small.
 *	  EXISTS: the id is plugged, or the range overlaps another zone's limit.
 *	  NOMEM: the guest has no memory for what it keeps outside the zone.
 * UNPLUG take zone_id away. addr must be that of PLUG, size the current one.
 *	  Before its final response the driver may send free ranges with F_MORE,
 *	  as for REPORT: the device has those bytes back while the driver still
 *	  takes the memmap down.
 *	  OK: no page of the zone is in use and the driver will not touch the
 *	  range again; the device discards all of it before it acknowledges.
 *	  NOENT: no such zone. INVALID: another range.
 *	  BUSY: tasks or descriptors still hold the zone, or pages of it are in
 *	  use and can't be moved; nr_pages_in_use of the response says how many.
 *	  Without COMMAND_F_ZOMBIE the zone stays plugged and usable. With it, and
 *	  when neither task nor descriptor holds the zone, it becomes a zombie:
 *	  nobody can enter or allocate from it any more, what was free has been
 *	  sent with F_MORE, and the pages still in use are named behind the final
 *	  response (struct virtio_czone_pin, as many as fit). The command can be
 *	  repeated in either case; EVENT_RELEASED says when it is worth it.
 * REPORT name the free pages of a zone that the host still backs. The driver
 *	  isolates them, sends them as ranges, and puts them back when the device
 *	  has acknowledged. addr and size as for UNPLUG.
 *	  OK: all were sent. NOENT, INVALID as above.
 * LIST	  name all plugged zones (struct virtio_czone_zone behind the response).
 *	  zone_id, addr, size and limit are zero.
 * RESIZE give the zone at addr the size `size`, between the smallest and its
 *	  limit. With its present size the device says no to EVENT_WANT, and
 *	  nothing changes. To shrink, the driver moves pages to lower addresses
 *	  within the zone and sends, with F_MORE, the ranges that it let go: they
 *	  lie in [addr + new size, addr + old size) or in the memmap. It may stop
 *	  early; the final response's size is what the zone has then.
 *	  OK: the zone has a size between the old one and the one asked for.
 *	  BUSY: not a block at the end could be emptied. NOENT, NOMEM as above.
 *	  INVALID: no such size, or no zone at addr.
 */
#define VIRTIO_CZONE_CMD_PLUG		1
#define VIRTIO_CZONE_CMD_UNPLUG		2
#define VIRTIO_CZONE_CMD_REPORT		3
#define VIRTIO_CZONE_CMD_LIST		4
#define VIRTIO_CZONE_CMD_RESIZE		5

/* UNPLUG: keep what can't be moved as a zombie zone. Wants F_ZOMBIE. */
#define VIRTIO_CZONE_COMMAND_F_ZOMBIE	(1 << 0)

struct virtio_czone_command {
	__le64 seq;		/* chosen by the device, not zero, never reused */
	__le16 type;		/* VIRTIO_CZONE_CMD_* */
	__le16 flags;		/* VIRTIO_CZONE_COMMAND_F_* */
	__le32 zone_id;
	__le64 addr;		/* bytes, guest-physical */
	__le64 size;		/* bytes */
	__le64 limit;		/* PLUG: bytes, block-aligned, at least size; else 0 */
};

/* Results, each listed with the commands it can answer */
#define VIRTIO_CZONE_OK			0 /* all */
#define VIRTIO_CZONE_INVALID		1 /* all: the command itself is wrong */
#define VIRTIO_CZONE_NOENT		2 /* UNPLUG, REPORT, RESIZE */
#define VIRTIO_CZONE_EXISTS		3 /* PLUG */
#define VIRTIO_CZONE_NOMEM		4 /* all */
#define VIRTIO_CZONE_BUSY		5 /* UNPLUG, REPORT, RESIZE */
#define VIRTIO_CZONE_UNSUPPORTED	6 /* an unknown command */
#define VIRTIO_CZONE_ERROR		7 /* all: something else; see the kernel log */

/* More responses with this seq follow; result is VIRTIO_CZONE_OK. */
#define VIRTIO_CZONE_RESPONSE_F_MORE	(1 << 0)

struct virtio_czone_response {
	__le64 seq;		/* of the command */
	__le16 type;		/* of the command */
	__le16 result;		/* VIRTIO_CZONE_OK ... */
	__le16 flags;		/* VIRTIO_CZONE_RESPONSE_F_* */
	__le16 nr_entries;	/* ranges, zones or pins that follow */
	__le32 zone_id;		/* of the command */
	__le32 nr_pages_in_use;	/* UNPLUG with BUSY: 4 KiB pages; else 0 */
	__le64 guest_ns;	/* ns that the driver took so far, without waiting for acks */
	__le64 size;		/* final, PLUG and RESIZE with OK: bytes of the zone; else 0 */
};

/*
 * Behind a response with F_MORE to REPORT, UNPLUG or RESIZE: page-aligned,
 * inside the zone, not overlapping.
 */
struct virtio_czone_range {
	__le64 addr;		/* bytes, guest-physical */
	__le64 size;		/* bytes, a multiple of 4096, not zero */
};

/* Behind a response to LIST. */
#define VIRTIO_CZONE_STATE_PLUGGED	1 /* no task in it */
#define VIRTIO_CZONE_STATE_ACTIVE	2 /* tasks or descriptors hold it */
#define VIRTIO_CZONE_STATE_DRAINING	3 /* an unplug is under way */
#define VIRTIO_CZONE_STATE_ZOMBIE	4 /* only pages that can't be moved hold it */

struct virtio_czone_zone {
	__le32 zone_id;
	__le32 state;		/* VIRTIO_CZONE_STATE_* */
	__le64 addr;		/* bytes */
	__le64 size;		/* bytes */
	__le64 limit;		/* bytes */
	__le64 free;		/* bytes in the buddy allocator */
};

/* Behind the final response to UNPLUG with BUSY: what still uses a zombie. */
#define VIRTIO_CZONE_PIN_UNKNOWN	0
#define VIRTIO_CZONE_PIN_REFERENCE	1 /* a reference outside of page tables: a pipe, O_DIRECT */
#define VIRTIO_CZONE_PIN_LONGTERM	2 /* pinned by a device or io_uring */
#define VIRTIO_CZONE_PIN_MAPPED		3 /* still mapped by somebody, and migration failed */
#define VIRTIO_CZONE_PIN_CACHE		4 /* of a file or swap cache, and migration failed */
#define VIRTIO_CZONE_PIN_SHARED		5 /* with a process that was forked into another zone */

struct virtio_czone_pin {
	__le64 addr;		/* bytes, guest-physical, page-aligned */
	__le64 size;		/* bytes, a multiple of 4096: adjacent pages for one reason */
	__le32 reason;		/* VIRTIO_CZONE_PIN_* */
	__le32 references;	/* of the first page, as the guest counts them */
};

/*
 * Events (driver to device)
 *
 * WANT	    the zone would use more memory; value is the size in bytes that it asks
 *	    for, block-aligned, above its size and up to its limit. The device
 *	    answers with RESIZE, at its own pace; RESIZE to the present size is a
 *	    no, and the driver does not ask again for a second.
 * RELEASED pages of a zombie zone have become free; value is the number of 4 KiB
 *	    pages that are still in use. The device repeats UNPLUG. Pages that
 *	    become free within a short time are told together.
 */
#define VIRTIO_CZONE_EVENT_WANT		1
#define VIRTIO_CZONE_EVENT_RELEASED	2

struct virtio_czone_event {
	__le16 type;		/* VIRTIO_CZONE_EVENT_* */
	__le16 reserved;
	__le32 zone_id;
	__le64 size;		/* bytes of the zone when the event was sent */
	__le64 value;		/* see above */
};

struct virtio_czone_ack {
	__le16 result;		/* OK, or INVALID: the device refused the response */
	__le16 reserved[3];
	__le64 discarded;	/* bytes of the ranges that the host discarded */
};

#endif /* _LINUX_VIRTIO_CZONE_H */
