// SPDX-License-Identifier: Apache-2.0
// A neighbour that works on while others come and go: it does the same piece of
// work over and over and notes how long each took.
//
//   quantum   arithmetic in registers: what is taken from the processor
//   stream    a triad over arrays larger than caches: what is taken from the memory
//
// It has the second processor, and all else the first, so that the guest's scheduler
// does not decide how much it gets done.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

enum { SAMPLES_MAX = 1 << 16, STREAM_DOUBLES = 1 << 19, QUANTUM_STEPS = 1 << 20 };

struct record {
	volatile uint32_t count;
	uint32_t stream;
	uint64_t ns[SAMPLES_MAX];
};

static struct record *record;
static pid_t neighbour;

// The calling process, and what it forks.
static int use_processors(int first, int last)
{
	cpu_set_t set;
	int cpu;

	CPU_ZERO(&set);
	for (cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void quantum(void)
{
	uint64_t x = 1;
	int i;

	for (i = 0; i < QUANTUM_STEPS; i++)
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	*(volatile uint64_t *)&x = x;
}

static void work(void)
{
	size_t bytes = STREAM_DOUBLES * sizeof(double), i;
	double *a = NULL, *b = NULL, *c = NULL;
	uint64_t start;

	if (record->stream) {
		a = malloc(bytes);
		b = malloc(bytes);
		c = malloc(bytes);
		if (!a || !b || !c)
			_exit(1);
		for (i = 0; i < STREAM_DOUBLES; i++)
			a[i] = b[i] = c[i] = 1.0;
	}
	while (record->count < SAMPLES_MAX) {
		start = now_ns();
		if (record->stream)
			for (i = 0; i < STREAM_DOUBLES; i++)
				*(volatile double *)&a[i] = b[i] + 3.0 * c[i];
		else
			quantum();
		record->ns[record->count] = now_ns() - start;
		record->count = record->count + 1;
	}
	for (;;)
		pause();
}

void neighbour_start(const char *kind)
{
	if (neighbour > 0)
		return refuse("a neighbour works already");
	if (!record)
		record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (record == MAP_FAILED)
		return refuse("mmap");
	if (use_processors(0, 0))
		return refuse("sched_setaffinity");
	record->count = 0;
	record->stream = strcmp(kind, "stream") == 0;
	neighbour = fork_into("neighbour", 0);
	if (neighbour == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (use_processors(1, 1))
			_exit(1);
		work();
	}
	if (neighbour < 0)
		return refuse("fork");
	reply("{\"ok\":true}");
}

static int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

void neighbour_stop(void)
{
	uint64_t sum = 0;
	uint32_t i, count;

	if (neighbour <= 0)
		return refuse("no neighbour works");
	kill(neighbour, SIGKILL);
	waitpid(neighbour, NULL, 0);
	neighbour = 0;
	use_processors(0, CPU_SETSIZE - 1);
	count = record->count;
	if (!count)
		return refuse("the neighbour got nothing done");
	for (i = 0; i < count; i++)
		sum += record->ns[i];
	qsort(record->ns, count, sizeof(*record->ns), ascending);
	reply("{\"ok\":true,\"count\":%u,\"meanNs\":%llu,\"medianNs\":%llu,\"p99Ns\":%llu}", count,
	      (unsigned long long)(sum / count), (unsigned long long)record->ns[count / 2],
	      (unsigned long long)record->ns[(uint64_t)count * 99 / 100]);
}
