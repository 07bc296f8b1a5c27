/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the agent in the guest of `czone bench`. */
#ifndef CZONE_BENCH_AGENT_H
#define CZONE_BENCH_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* agent.c: one line of JSON to the host. */
__attribute__((format(printf, 1, 2))) void reply(const char *format, ...);
void refuse(const char *what);

/* os.c */
uint64_t now_ns(void);
int write_text(const char *path, const char *text);
/* Up to size - 1 bytes of the file, with a NUL; empty where it can't be read. */
void read_text(const char *path, char *text, size_t size);
/* Forks into the cgroup of this name and, where zone is not 0, into that zone. */
pid_t fork_into(const char *cgroup, unsigned int zone);
void remove_cgroup(const char *cgroup);

/* hogs.c: processes that hold memory. Each answers with one reply. */
void hog_start(unsigned int id, unsigned int zone, uint64_t bytes, int huge);
void hog_fill(unsigned int chunk_kib, unsigned int count, const unsigned int *ids);
void hog_write(unsigned int id, uint64_t offset, uint64_t bytes);
void hog_drop(unsigned int id, uint64_t offset, uint64_t bytes);
void hog_kill(unsigned int id);
/* A process that comes, touches so much, and ends. */
void hog_visit(unsigned int zone, uint64_t bytes);
/* Asks for cold memory of a hog: memory.reclaim of its cgroup. */
void hog_reclaim(unsigned int id, uint64_t bytes);

/* neighbours.c: those whose speed is watched. */
void neighbour_start(const char *kind);
void neighbour_stop(void);

#endif
