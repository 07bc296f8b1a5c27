/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the sandboxes that zygotes' children are forked into. A program of its own, small
 * and with one thread: forking the daemon would copy the page tables of all of Node.js.
 *
 * For each request a helper process enters zone and cgroup, makes namespaces and mounts,
 * gives all of that to the zone, and ends. Messages of a SOCK_SEQPACKET socket, a header
 * of 16 bytes and a body, little-endian:
 *
 *   0 magic "CZS1"   4 type (u16)   6 zero (u16)   8 id of the request (u64)
 *
 * The daemon asks MAKE, and with it come the descriptors of zone, cgroup and network
 * namespace. The body is the steps, seven texts each, every one ended by a NUL: act, path,
 * source, type, data, number, device (the last two decimal). What the fields mean depends
 * on the act:
 *
 *   mkdir     directory `path` with the mode `number`; may be there, but not as a link
 *   mount     mount(source, path, type, number, data)
 *   device    device node `path`: mode `number`, numbers `device`
 *   own       `path` belongs to the user `number` and the group `device`
 *   symlink   symbolic link `path` to `source`
 *   mask      `path` shows nothing any more: /dev/null over a file, an empty tmpfs over a
 *             directory
 *   readOnly  `path` can't be written any more
 *   pivot     `path`, a mount, becomes the root; the old one goes
 *   chdir     the working directory is `path`
 *   hostname  the host's name is `source`
 *   address   eth0 has the address `source`/24 and the gateway `data`
 *
 * A helper that can't go on says FAILED (step i32, errno i32), where a step below 0 is one
 * of enum czone_sandbox_outside. Each request is answered at last by ENDED (pid of the
 * helper i32, its wait status i32).
 */
#ifndef CZONE_SANDBOX_H
#define CZONE_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CZONE_SANDBOX_MAKE = 1,
  CZONE_SANDBOX_FAILED = 16,
  CZONE_SANDBOX_ENDED = 17,
};

enum {
  CZONE_SANDBOX_STEPS_MAX = 128,
  CZONE_SANDBOX_BYTES_MAX = 32768,
  /** Helpers at one time. */
  CZONE_SANDBOX_HELPERS_MAX = 64,
};

enum czone_sandbox_outside {
  CZONE_SANDBOX_UNSHARE = -1,
  CZONE_SANDBOX_NETWORK = -2,
  CZONE_SANDBOX_HAND_OVER = -3,
  /** clone3; there is no helper, and ENDED has the pid 0. */
  CZONE_SANDBOX_FORK = -4,
};

enum czone_sandbox_act {
  CZONE_ACT_MKDIR,
  CZONE_ACT_MOUNT,
  CZONE_ACT_DEVICE,
  CZONE_ACT_OWN,
  CZONE_ACT_SYMLINK,
  CZONE_ACT_MASK,
  CZONE_ACT_READ_ONLY,
  CZONE_ACT_PIVOT,
  CZONE_ACT_CHDIR,
  CZONE_ACT_HOSTNAME,
  CZONE_ACT_ADDRESS,
};

struct czone_sandbox_step {
  enum czone_sandbox_act act;
  const char* path;
  const char* source;
  const char* type;
  const char* data;
  uint64_t number;
  uint64_t device;
};

struct czone_sandbox_request {
  uint64_t id;
  size_t count;
  /** Of texts in `bytes`. */
  struct czone_sandbox_step steps[CZONE_SANDBOX_STEPS_MAX];
  char bytes[CZONE_SANDBOX_BYTES_MAX];
};

/** Reads the first `length` bytes of request->bytes. 0, or -1: they are no request. */
int czone_sandbox_parse(struct czone_sandbox_request* request, size_t length);

/** In the process whose sandbox it becomes. 0, or -1 and errno. */
int czone_sandbox_carry(const struct czone_sandbox_step* step);

/**
 * Serves until the other end is closed, the parent being whoever is to be the parent of
 * what is forked into the sandboxes. 0, or -1 and errno; EPROTO: it said what makes no
 * sense.
 */
int czone_sandbox_serve(int channel);

#ifdef __cplusplus
}
#endif

#endif
