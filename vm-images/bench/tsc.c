// SPDX-License-Identifier: Apache-2.0
// Prints how fast the time stamp counter of this host runs, in kHz. Under emulation the
// guest has the same; a machine without HPET and ACPI has only the PIT to find that out
// by, fails now and then, and then waits for ever (QEMU's microvm).
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS 50000000ULL

static uint64_t now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now)) {
		perror("clock_gettime");
		exit(1);
	}
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

int main(void)
{
	uint64_t ticks, start, now;

	start = now_ns();
	ticks = __rdtsc();
	do
		now = now_ns();
	while (now - start < MEASURE_NS);
	ticks = __rdtsc() - ticks;
	printf("%llu\n", (unsigned long long)(ticks * 1000000ULL / (now - start)));
	return 0;
}
