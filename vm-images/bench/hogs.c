// SPDX-License-Identifier: Apache-2.0
// Memory hogs: each a process in a cgroup of its own, where asked in a zone of its
// own. A hog waits for orders on a pipe and answers on another, so that several can
// be made to touch their memory in turns.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

enum { HOGS_MAX = 1024, PAGE = 4096 };
#define HUGE_PAGE (2ULL << 20)

enum order { TOUCH, DROP };

struct message {
	enum order order;
	uint64_t offset;
	uint64_t bytes;
};

struct hog {
	pid_t pid;
	int orders, answers;
	uint64_t bytes;
};

static struct hog hogs[HOGS_MAX];

static char *reserve(uint64_t bytes, int huge)
{
	char *raw = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start;

	if (raw == MAP_FAILED)
		return NULL;
	start = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return start;
}

static void touch(char *start, uint64_t bytes)
{
	uint64_t at;

	for (at = 0; at < bytes; at += PAGE)
		*(volatile char *)(start + at) = (char)(at >> 12) | 1;
}

static void serve(int orders, int answers, uint64_t bytes, int huge)
{
	char *memory = reserve(bytes, huge);
	struct message message;
	uint64_t took;

	if (!memory)
		_exit(1);
	while (read(orders, &message, sizeof(message)) == sizeof(message)) {
		took = now_ns();
		if (message.order == TOUCH)
			touch(memory + message.offset, message.bytes);
		else
			madvise(memory + message.offset, message.bytes, MADV_DONTNEED);
		took = now_ns() - took;
		if (write(answers, &took, sizeof(took)) != sizeof(took))
			break;
	}
	_exit(0);
}

static void name_cgroup(char *name, size_t size, unsigned int id)
{
	snprintf(name, size, "hog%u", id);
}

static struct hog *live(unsigned int id)
{
	if (id < HOGS_MAX && hogs[id].pid > 0)
		return &hogs[id];
	refuse("no such hog");
	return NULL;
}

void hog_start(unsigned int id, unsigned int zone, uint64_t bytes, int huge)
{
	int orders[2], answers[2];
	char cgroup[32];
	uint64_t start;
	pid_t pid;

	if (id >= HOGS_MAX || hogs[id].pid > 0)
		return refuse("a hog of this id lives");
	if (pipe(orders) || pipe(answers))
		return refuse("pipe");
	name_cgroup(cgroup, sizeof(cgroup), id);
	start = now_ns();
	pid = fork_into(cgroup, zone);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		close(answers[0]);
		serve(orders[0], answers[1], bytes, huge);
	}
	start = now_ns() - start;
	close(orders[0]);
	close(answers[1]);
	if (pid < 0) {
		close(orders[1]);
		close(answers[0]);
		return refuse("fork");
	}
	hogs[id] = (struct hog){
		.pid = pid, .orders = orders[1], .answers = answers[0], .bytes = bytes};
	reply("{\"ok\":true,\"ns\":%llu}", (unsigned long long)start);
}

// 0 where it has died.
static int order(struct hog *hog, enum order what, uint64_t offset, uint64_t bytes, uint64_t *ns)
{
	struct message message = {.order = what, .offset = offset, .bytes = bytes};

	return offset + bytes <= hog->bytes &&
	       write(hog->orders, &message, sizeof(message)) == sizeof(message) &&
	       read(hog->answers, ns, sizeof(*ns)) == sizeof(*ns);
}

// In turns, so much of each at a time, until each has all of its memory.
void hog_fill(unsigned int chunk_kib, unsigned int count, const unsigned int *ids)
{
	uint64_t chunk = (uint64_t)chunk_kib * 1024, offset, ns, sum = 0;
	unsigned int i, more = 1;

	for (i = 0; i < count; i++)
		if (!live(ids[i]))
			return;
	for (offset = 0; more; offset += chunk) {
		more = 0;
		for (i = 0; i < count; i++) {
			struct hog *hog = &hogs[ids[i]];
			uint64_t left = hog->bytes > offset ? hog->bytes - offset : 0;

			if (!left)
				continue;
			if (!order(hog, TOUCH, offset, left < chunk ? left : chunk, &ns))
				return refuse("a hog has died while it was filled");
			sum += ns;
			more = 1;
		}
	}
	reply("{\"ok\":true,\"ns\":%llu}", (unsigned long long)sum);
}

static void order_one(unsigned int id, enum order what, uint64_t offset, uint64_t bytes)
{
	struct hog *hog = live(id);
	uint64_t ns;

	if (!hog)
		return;
	if (!order(hog, what, offset, bytes, &ns))
		return refuse("the hog did not do it");
	reply("{\"ok\":true,\"ns\":%llu}", (unsigned long long)ns);
}

void hog_write(unsigned int id, uint64_t offset, uint64_t bytes)
{
	order_one(id, TOUCH, offset, bytes);
}

void hog_drop(unsigned int id, uint64_t offset, uint64_t bytes)
{
	order_one(id, DROP, offset, bytes);
}

void hog_kill(unsigned int id)
{
	struct hog *hog = live(id);
	char cgroup[32];
	uint64_t start;

	if (!hog)
		return;
	start = now_ns();
	kill(hog->pid, SIGKILL);
	waitpid(hog->pid, NULL, 0);
	start = now_ns() - start;
	close(hog->orders);
	close(hog->answers);
	*hog = (struct hog){0};
	// Before the answer: else it goes on beside what is measured next.
	name_cgroup(cgroup, sizeof(cgroup), id);
	remove_cgroup(cgroup);
	reply("{\"ok\":true,\"ns\":%llu}", (unsigned long long)start);
}

void hog_visit(unsigned int zone, uint64_t bytes)
{
	uint64_t start = now_ns(), forked;
	pid_t pid = fork_into("visit", zone);
	int status;

	if (pid == 0) {
		char *memory = reserve(bytes, 0);

		if (!memory)
			_exit(1);
		touch(memory, bytes);
		_exit(0);
	}
	forked = now_ns();
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return refuse("visit");
	reply("{\"ok\":true,\"ns\":%llu,\"forkNs\":%llu}", (unsigned long long)(now_ns() - start),
	      (unsigned long long)(forked - start));
}

void hog_reclaim(unsigned int id, uint64_t bytes)
{
	char path[96], text[32], cgroup[32];
	uint64_t start = now_ns();
	int failed;

	if (!live(id))
		return;
	name_cgroup(cgroup, sizeof(cgroup), id);
	snprintf(path, sizeof(path), CGROUP_ROOT "/%s/memory.reclaim", cgroup);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	// EAGAIN: less than asked for; what there was has gone.
	failed = write_text(path, text) && errno != EAGAIN;
	if (failed)
		return refuse("memory.reclaim");
	reply("{\"ok\":true,\"ns\":%llu}", (unsigned long long)(now_ns() - start));
}
