// SPDX-License-Identifier: Apache-2.0
// What the agent asks of the kernel: clocks, small files, forks into cgroups and zones.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/czone.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

// linux/sched.h with the series: struct clone_args gains this behind cgroup.
struct clone_arguments {
	struct clone_args known;
	uint64_t czone;
};

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int error;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return written < 0 ? -1 : 0;
}

void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);

	text[length > 0 ? length : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static int open_zone(unsigned int zone)
{
	struct czone_open request = {.zone_id = zone};
	int device = open("/dev/czone", O_RDWR | O_CLOEXEC);
	int fd, error;

	if (device < 0)
		return -1;
	fd = ioctl(device, CZONE_IOC_OPEN, &request);
	error = errno;
	close(device);
	errno = error;
	return fd;
}

pid_t fork_into(const char *cgroup, unsigned int zone)
{
	struct clone_arguments arguments = {.known = {.exit_signal = SIGCHLD}};
	size_t size = zone ? CZONE_CLONE_ARGS_SIZE : sizeof(arguments.known);
	int zone_fd = -1, cgroup_fd, error;
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), CGROUP_ROOT "/%s", cgroup);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -1;
	cgroup_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_fd < 0)
		return -1;
	arguments.known.flags = CLONE_INTO_CGROUP;
	arguments.known.cgroup = (uint64_t)cgroup_fd;
	if (zone) {
		zone_fd = open_zone(zone);
		if (zone_fd < 0) {
			close(cgroup_fd);
			return -1;
		}
		arguments.known.flags |= CZONE_CLONE_INTO_CZONE;
		arguments.czone = (uint64_t)zone_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &arguments, size);
	error = errno;
	close(cgroup_fd);
	if (zone_fd >= 0)
		close(zone_fd);
	errno = error;
	return pid;
}

// The kernel finishes with the last process a little after wait() has told of it.
void remove_cgroup(const char *cgroup)
{
	char path[128];
	int tries;

	snprintf(path, sizeof(path), CGROUP_ROOT "/%s", cgroup);
	for (tries = 0; tries < 100 && rmdir(path) && errno == EBUSY; tries++)
		usleep(1000);
}
