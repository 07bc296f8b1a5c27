/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For runtimes that want to be zygotes: the guest daemon's requests to fork, read and
 * carried out. docs/zygote.md describes the protocol; one pair of files, no library but
 * the C one, so that a runtime can take them in as they are.
 *
 *	int channel = czone_zygote_channel();
 *	const char *reason = czone_zygote_unsafe(channel);
 *	if (reason) { czone_zygote_refuse(channel, 0, reason); return 1; }
 *	czone_zygote_ready(channel, "my runtime 1.0");
 *	struct czone_zygote_request request;
 *	while (czone_zygote_next(channel, &request) > 0)
 *		if (czone_zygote_fork(channel, &request) == 0)
 *			serve();	// in the child: environment, stdio and identity are new
 *
 * One thread, and nothing open but 0 to 2 and the channel: a safe point.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CZONE_ZYGOTE_CHANNEL_FD = 3,
  /* The daemon's end, which only a new daemon takes. */
  CZONE_ZYGOTE_DAEMON_FD = 4,
  CZONE_ZYGOTE_MESSAGE_MAX = 64 * 1024,
  CZONE_ZYGOTE_ENVIRONMENT_MAX = 256,
  CZONE_ZYGOTE_SEED_BYTES = 32,
};

struct czone_zygote_request {
  uint64_t id;
  /* Owned by the request until czone_zygote_fork() closes them. */
  int zone_fd, stdout_fd, stderr_fd;
  /* NAME=value, ended by NULL; in `bytes`. */
  char* environment[CZONE_ZYGOTE_ENVIRONMENT_MAX + 1];
  /* In the child: fresh random bytes for generators of its own. */
  uint8_t seed[CZONE_ZYGOTE_SEED_BYTES];
  char bytes[CZONE_ZYGOTE_MESSAGE_MAX];
};

/* The channel, or -1 when this process was not started as a zygote. */
int czone_zygote_channel(void);

/* NULL at a safe point, else why it is none; a static text. */
const char* czone_zygote_unsafe(int channel);

/* 0, or -1 and errno. */
int czone_zygote_ready(int channel, const char* runtime);
int czone_zygote_refuse(int channel, uint64_t id, const char* reason);

/* 1: there is a request. 0: the channel is closed. -1 and errno; EPROTO: it makes no sense. */
int czone_zygote_next(int channel, struct czone_zygote_request* request);

/*
 * Forks into the request's zone and sandbox, and answers it. 0 in the child, whose
 * environment, stdout and stderr are the request's and who has no other descriptor but
 * stdin; 1 in the zygote when there is a child, -1 and errno when there is none.
 */
pid_t czone_zygote_fork(int channel, struct czone_zygote_request* request);

/* The same with another way to make the next fork() lead into the sandbox. */
pid_t czone_zygote_fork_by(int channel, struct czone_zygote_request* request,
                           int (*arm)(int zone_fd));

#ifdef __cplusplus
}
#endif
