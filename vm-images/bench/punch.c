// SPDX-License-Identifier: Apache-2.0
// The physical limit on the host: how long one fallocate(PUNCH_HOLE) takes over
// memory that a process has mapped and touched, as a VMM has.
//
//   punch BYTES COUNT REST_MS [FILE]    FILE: on a tmpfs; else a memfd
//
// REST_MS: between the touch and the punch; what was touched a moment ago goes faster.
// Prints a JSON object a round: ns, bytes that were allocated before and after, and
// bytes that were mapped by huge pages.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE (2ULL << 20)
enum { PAGE = 4096 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static unsigned long long allocated(int fd)
{
	struct stat file;

	if (fstat(fd, &file))
		die("fstat");
	return (unsigned long long)file.st_blocks * 512;
}

static unsigned long long huge_bytes(void)
{
	unsigned long long kib = 0;
	FILE *smaps = fopen("/proc/self/smaps_rollup", "r");
	char line[128];

	while (smaps && fgets(line, sizeof(line), smaps))
		if (!strncmp(line, "ShmemPmdMapped:", 15))
			kib = strtoull(line + 15, NULL, 10);
	if (smaps)
		fclose(smaps);
	return kib * 1024;
}

int main(int argc, char **argv)
{
	uint64_t bytes, at, start;
	char *raw, *memory;
	int fd, round, rounds, rest_ms;

	if (argc < 4) {
		fprintf(stderr, "usage: punch BYTES COUNT REST_MS [FILE]\n");
		return 2;
	}
	bytes = strtoull(argv[1], NULL, 10);
	rounds = atoi(argv[2]);
	rest_ms = atoi(argv[3]);
	fd = argc > 4 ? open(argv[4], O_RDWR) : memfd_create("punch", 0);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		die("memory file");
	raw = mmap(NULL, bytes + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw == MAP_FAILED)
		die("mmap");
	memory = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	for (round = 0; round < rounds; round++) {
		unsigned long long before, huge;

		for (at = 0; at < bytes; at += PAGE)
			memory[at] = 1;
		before = allocated(fd);
		huge = huge_bytes();
		if (rest_ms > 0)
			usleep((useconds_t)rest_ms * 1000);
		start = now_ns();
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes))
			die("fallocate");
		printf("{\"ns\":%llu,\"residentBytes\":%llu,\"leftBytes\":%llu,\"hugeBytes\":%llu}\n",
		       (unsigned long long)(now_ns() - start), before, allocated(fd), huge);
	}
	return 0;
}
