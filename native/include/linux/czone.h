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
 *
 * A descriptor can also lead into a sandbox: namespaces, root and cgroup that
 * root has prepared. A process without any rights can then fork a child right
 * into them by NEXT_FORK and a plain fork(), and is no parent of it.
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
 * On a zone's descriptor: let it lead into the sandbox that the caller is in,
 * which are, as they are now, its
 *
 * - namespaces: mount, UTS, IPC, network, cgroup, time, and the PID namespace
 *   that its children would be in, which has to be a child of the initial one,
 * - root and working directory,
 * - cgroup (of version 2), with its limits.
 *
 * The caller, for instance a child of a daemon that has unshared and mounted
 * all that, can exit then. The descriptor (the open file, not the zone) keeps
 * the sandbox until it was used, closed everywhere or taken back.
 *
 * Wants CAP_SYS_ADMIN in the initial user namespace (EPERM). EBUSY: the
 * descriptor has, or had, a sandbox. EINVAL: flags, another kind of PID namespace
 * (see above), an owner outside of the initial one. EBADF: owner is no pidfd.
 * ESRCH: it has ended. EKEYREVOKED, ENOMEM.
 */
struct czone_sandbox {
	__u32 flags;		/* must be 0 */
	__s32 owner;		/* pidfd of the process that is to be the parent */
};
#define CZONE_IOC_SET_SANDBOX	_IOW(CZONE_IOC_MAGIC, 4, struct czone_sandbox)

/*
 * On a zone's descriptor with a sandbox: the next fork of the calling thread
 * goes into the zone and the sandbox. No rights are needed but the descriptor,
 * which can be closed before the fork, and is used up by this call.
 *
 * That fork has to be fork(), or clone() with SIGCHLD and none but
 * CLONE_PARENT_SETTID, CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID. What comes
 * next is meant: another clone(), a vfork(), a new thread fail with EINVAL and
 * use it up, as do other errors (EAGAIN: limits, as pids.max; ENOMEM; ENODEV:
 * the cgroup is removed; EKEYREVOKED). A fork after that is an ordinary one. An
 * execve() or exit forgets it.
 *
 * The child
 * - is the first process (PID 1) of the sandbox's PID namespace, unless there is
 *   one, and leads a session and a process group of its own, without a terminal
 *   (setsid() is done: EPERM),
 * - has the owner as its parent, who gets SIGCHLD and reaps it, or, when that
 *   has ended, the init process; who has forked it can't see, wait for, trace or
 *   signal it,
 * - keeps all else that a fork keeps: memory (copied as it is written, into its
 *   own zone), open files, credentials, limits, seccomp filters, dispositions of
 *   signals, umask. Open files are those of the forking process' namespaces.
 *
 * Where the parent would get a PID that it could use, fork() returns the child's
 * PID in its own namespace, which is 1 for the first: good only to tell that it
 * is the parent who goes on.
 *
 * EINVAL: the descriptor has no sandbox. EBUSY: it is used up, or the thread has
 * one for its next fork already. EKEYREVOKED.
 */
#define CZONE_IOC_NEXT_FORK	_IO(CZONE_IOC_MAGIC, 5)

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
	__u64 pages;		/* out: UNPLUG: in use, with EBUSY; REPORT: reported; see EVENTS */
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
/* EVENTS: of zone_id. Out too, pages: what ending processes had freed by themselves. */
#define CZONE_IOC_TEST_EVENTS	_IOWR(CZONE_IOC_MAGIC, 21, struct czone_test)

/* Keep what can't be moved as a zombie. */
#define CZONE_TEST_ZOMBIE	(1 << 0)

/* struct clone_args of linux/sched.h gains, behind cgroup: __aligned_u64 czone; */
#define CZONE_CLONE_INTO_CZONE	0x400000000ULL
#define CZONE_CLONE_ARGS_SIZE	96

#endif /* _UAPI_LINUX_CZONE_H */
