// SPDX-License-Identifier: Apache-2.0
// The physical limit on the host: how long one fallocate(PUNCH_HOLE) takes over
// memory that a process has mapped and touched, as a VMM has.
//
//   punch BYTES COUNT REST_MS RANGES TURN [FILE]    FILE: on a tmpfs; else a memfd
//
// REST_MS: before each punch. What was touched a moment ago goes faster, and so does a
// punch right after another.
// RANGES of BYTES lie one behind the other in the file. They are touched in turns, TURN
// bytes at a time, as several processes of a guest do, and then punched one by one.
// Prints a JSON object a punch: ns, bytes of its range that were allocated before and
// after, and bytes of a range that were mapped by huge pages.
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
enum { PAGE = 4096, RANGES_MAX = 64 };

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

static void touch_in_turns(char *memory, uint64_t bytes, uint64_t ranges, uint64_t turn)
{
	uint64_t from, range, at;

	for (from = 0; from < bytes; from += turn)
		for (range = 0; range < ranges; range++)
			for (at = 0; at < turn; at += PAGE)
				memory[range * bytes + from + at] = 1;
}

int main(int argc, char **argv)
{
	uint64_t bytes, turn, ranges, all, round, range, rounds, start;
	char *raw, *memory;
	int fd, rest_ms;

	if (argc < 6) {
		fprintf(stderr, "usage: punch BYTES COUNT REST_MS RANGES TURN [FILE]\n");
		return 2;
	}
	bytes = strtoull(argv[1], NULL, 10);
	rounds = strtoull(argv[2], NULL, 10);
	rest_ms = atoi(argv[3]);
	ranges = strtoull(argv[4], NULL, 10);
	turn = strtoull(argv[5], NULL, 10);
	if (!ranges || ranges > RANGES_MAX || turn < PAGE || !bytes || bytes % turn) {
		fprintf(stderr, "punch: 1 to %d ranges, of whole turns of a page or more\n",
			RANGES_MAX);
		return 2;
	}
	all = ranges * bytes;
	fd = argc > 6 ? open(argv[6], O_RDWR) : memfd_create("punch", 0);
	if (fd < 0 || ftruncate(fd, (off_t)all))
		die("memory file");
	raw = mmap(NULL, all + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw == MAP_FAILED)
		die("mmap");
	memory = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (mmap(memory, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap");
	for (round = 0; round < rounds; round++) {
		unsigned long long huge;

		touch_in_turns(memory, bytes, ranges, turn);
		huge = huge_bytes() / ranges;
		for (range = 0; range < ranges; range++) {
			unsigned long long before, after, ns;

			if (rest_ms > 0)
				usleep((useconds_t)rest_ms * 1000);
			before = allocated(fd);
			start = now_ns();
			if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)(range * bytes), (off_t)bytes))
				die("fallocate");
			ns = now_ns() - start;
			after = allocated(fd);
			/* What the other ranges have is in both. */
			printf("{\"ns\":%llu,\"residentBytes\":%llu,\"leftBytes\":%llu,\"hugeBytes\":%llu}\n",
			       ns, before - (ranges - range - 1) * bytes,
			       after - (ranges - range - 1) * bytes, huge);
		}
	}
	return 0;
}
