/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef _UAPI_LINUX_CZONE_H
#define _UAPI_LINUX_CZONE_H
/*
 * Container memory zones, as user space of the guest sees them.
 *
 * A zone is held as a file descriptor. Whoever was handed the descriptor may
 * fork into the zone with clone3() and CLONE_INTO_CZONE (linux/sched.h), nobody
 * else. A zone can't be unplugged while a descriptor or a task holds it.
 *
 * /dev/czone (mode 0600) hands descriptors out and takes them back. Its ioctls
 * want CAP_SYS_ADMIN in the initial user namespace.
 */

#include <linux/types.h>
#include <linux/ioctl.h>

#define CZONE_IOC_MAGIC		0xcc

/* Open the zone of this id: a descriptor (close-on-exec), or ENOENT, EBUSY (draining). */
struct czone_open {
	__u32 zone_id;
	__u32 flags;		/* must be 0 */
};
#define CZONE_IOC_OPEN		_IOW(CZONE_IOC_MAGIC, 1, struct czone_open)

/*
 * Take back all descriptors of the zone that were opened until now, wherever
 * they have been passed on to: they don't let anybody in any more, tell nothing
 * (both EKEYREVOKED) and don't keep the zone plugged. Who lives in the zone goes
 * on to. ENOENT: no such zone.
 */
struct czone_revoke {
	__u32 zone_id;
	__u32 flags;		/* must be 0 */
};
#define CZONE_IOC_REVOKE	_IOW(CZONE_IOC_MAGIC, 3, struct czone_revoke)

/* On a zone's descriptor: what it is. */
struct czone_info {
	__u32 zone_id;
	__u32 state;		/* VIRTIO_CZONE_STATE_* of linux/virtio_czone.h */
	__u64 addr;		/* bytes, guest-physical */
	__u64 size;		/* bytes */
	__u64 usable;		/* bytes: size without room for the zone's own memmap */
	__u64 free;		/* bytes in the buddy allocator */
	__u64 users;		/* address spaces that live in the zone */
	__u64 limit;		/* bytes: what it may grow to */
};
#define CZONE_IOC_INFO		_IOR(CZONE_IOC_MAGIC, 2, struct czone_info)

/*
 * Only with CONFIG_CZONE_TEST, and only while no device owns the region: what
 * the device's commands do, for selftests. EBUSY where a device is bound.
 */
struct czone_test {
	__u32 zone_id;
	__u32 flags;		/* UNPLUG: CZONE_TEST_ZOMBIE; else 0 */
	__u64 addr;		/* bytes */
	__u64 size;		/* bytes */
	__u64 ns;		/* out: ns that the kernel took, without a host's share */
	__u64 pages;		/* out: UNPLUG: in use, with EBUSY; REPORT: reported */
	__u64 ranges;		/* out: REPORT, UNPLUG: ranges reported */
	__u64 limit;		/* bytes. PLUG: 0 means size */
	__u64 early_ns;		/* out: UNPLUG: ns until the host could have pages, or 0 */
	__u64 early_pages;	/* out: UNPLUG: those that it could have before the rest */
	__u64 events;		/* out: EVENTS: RELEASED ones since the last call */
};
#define CZONE_IOC_TEST_PLUG	_IOWR(CZONE_IOC_MAGIC, 16, struct czone_test)
#define CZONE_IOC_TEST_UNPLUG	_IOWR(CZONE_IOC_MAGIC, 17, struct czone_test)
#define CZONE_IOC_TEST_REPORT	_IOWR(CZONE_IOC_MAGIC, 18, struct czone_test)
/* RESIZE: size is the new one; out: the one that the zone has then. */
#define CZONE_IOC_TEST_RESIZE	_IOWR(CZONE_IOC_MAGIC, 19, struct czone_test)

/*
 * WANT: wait up to ns for a zone that asks for more. Out: zone_id, size: its
 * present one, limit: the size that it asks for. EAGAIN: none did.
 */
#define CZONE_IOC_TEST_WANT	_IOWR(CZONE_IOC_MAGIC, 20, struct czone_test)
/* EVENTS: of zone_id. */
#define CZONE_IOC_TEST_EVENTS	_IOWR(CZONE_IOC_MAGIC, 21, struct czone_test)

/* Keep what can't be moved as a zombie. */
#define CZONE_TEST_ZOMBIE	(1 << 0)

/* struct clone_args of linux/sched.h gains, behind cgroup: __aligned_u64 czone; */
#define CZONE_CLONE_INTO_CZONE	0x400000000ULL
#define CZONE_CLONE_ARGS_SIZE	96

#endif /* _UAPI_LINUX_CZONE_H */
