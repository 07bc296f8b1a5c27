// SPDX-License-Identifier: Apache-2.0
// The first process of the guest of `czone bench`: mounts what it needs, then does
// what the host says, one line at a time over the virtio-serial port "bench", and
// answers each with a line of JSON that has "ok". src/bench/vm/guest.ts is the other
// side.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define PORTS "/sys/class/virtio-ports"
#define PORT_NAME "bench"
enum { LINE_MAX_BYTES = 4096, WORDS_MAX = 256, WAIT_MS = 5, TRIES = 4000, FILES_MAX = 4096 };

static int port = -1;

static void send_all(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(port, text, length);

		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (written > 0) {
			text += written;
			length -= (size_t)written;
		}
	}
}

void reply(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || length >= (int)sizeof(line) - 1)
		return;
	line[length++] = '\n';
	send_all(line, (size_t)length);
}

void refuse(const char *what)
{
	reply("{\"ok\":false,\"error\":\"%s: %s\"}", what, strerror(errno));
}

static void off(void)
{
	reboot(RB_POWER_OFF);
	_exit(1);
}

static int open_port(void)
{
	char path[300], name[64];
	struct dirent *entry;
	DIR *ports = opendir(PORTS);
	int fd = -1;

	while (ports && fd < 0 && (entry = readdir(ports))) {
		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		read_text(path, name, sizeof(name));
		if (strcmp(name, PORT_NAME "\n"))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (ports)
		closedir(ports);
	return fd;
}

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 10);
}

static void memory(void)
{
	char text[4096], *at;
	unsigned long long free_kib = 0, available_kib = 0, total_kib = 0;

	read_text("/proc/meminfo", text, sizeof(text));
	if ((at = strstr(text, "MemTotal:")))
		total_kib = strtoull(at + 9, NULL, 10);
	if ((at = strstr(text, "MemFree:")))
		free_kib = strtoull(at + 8, NULL, 10);
	if ((at = strstr(text, "MemAvailable:")))
		available_kib = strtoull(at + 13, NULL, 10);
	reply("{\"ok\":true,\"totalKib\":%llu,\"freeKib\":%llu,\"availableKib\":%llu}", total_kib,
	      free_kib, available_kib);
}

// Runs a program; its output goes before the answer, as lines with '#' in front.
static void run(char **argv)
{
	char line[1024];
	int out[2], status;
	FILE *output;
	pid_t pid;

	if (pipe(out))
		return refuse("pipe");
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execv(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	output = fdopen(out[0], "r");
	while (output && fgets(line, sizeof(line), output)) {
		send_all("#", 1);
		send_all(line, strlen(line));
	}
	if (output)
		fclose(output);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return refuse("run");
	reply("{\"ok\":true,\"status\":%d}", WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

static void with_ids(int count, char **words)
{
	unsigned int ids[WORDS_MAX];
	int i;

	for (i = 2; i < count; i++)
		ids[i - 2] = (unsigned int)number(words[i]);
	hog_fill((unsigned int)number(words[1]), (unsigned int)(count - 2), ids);
}

static void obey(int count, char **words)
{
	const char *what = words[0];

#define IS(name, least) (!strcmp(what, name) && count >= (least))
	if (IS("ping", 1))
		reply("{\"ok\":true}");
	else if (IS("hog", 5))
		hog_start((unsigned int)number(words[1]), (unsigned int)number(words[2]),
			  number(words[3]), !strcmp(words[4], "huge"));
	else if (IS("fill", 3))
		with_ids(count, words);
	else if (IS("write", 4))
		hog_write((unsigned int)number(words[1]), number(words[2]), number(words[3]));
	else if (IS("drop", 4))
		hog_drop((unsigned int)number(words[1]), number(words[2]), number(words[3]));
	else if (IS("kill", 2))
		hog_kill((unsigned int)number(words[1]));
	else if (IS("visit", 3))
		hog_visit((unsigned int)number(words[1]), number(words[2]));
	else if (IS("reclaim", 3))
		hog_reclaim((unsigned int)number(words[1]), number(words[2]));
	else if (IS("neighbour", 2))
		neighbour_start(words[1]);
	else if (IS("neighbour-end", 1))
		neighbour_stop();
	else if (IS("memory", 1))
		memory();
	else if (IS("set", 3)) {
		if (write_text(words[1], words[2]))
			refuse(words[1]);
		else
			reply("{\"ok\":true}");
	} else if (IS("swap", 2)) {
		if (swapon(words[1], 0))
			refuse("swapon");
		else
			reply("{\"ok\":true}");
	} else if (IS("run", 2))
		run(words + 1);
	else if (IS("off", 1))
		off();
	else {
		errno = EINVAL;
		refuse("unknown order");
	}
#undef IS
}

static void obey_line(char *line)
{
	char *words[WORDS_MAX + 1], *rest = NULL;
	int count = 0;

	for (char *word = strtok_r(line, " \r", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " \r", &rest))
		words[count++] = word;
	words[count] = NULL;
	if (count)
		obey(count, words);
}

int main(void)
{
	// A hog is two descriptors.
	const struct rlimit files = {FILES_MAX, FILES_MAX};
	static char buffer[LINE_MAX_BYTES];
	size_t used = 0;
	int tries;

	setrlimit(RLIMIT_NOFILE, &files);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("cgroup", CGROUP_ROOT, "cgroup2", 0, NULL);
	write_text(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	write_text("/proc/sys/vm/overcommit_memory", "1");
	// Off by default on a small machine; who wants huge pages asks for them.
	write_text("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	for (tries = 0; tries < TRIES && port < 0; tries++) {
		port = open_port();
		if (port < 0)
			usleep(WAIT_MS * 1000);
	}
	if (port < 0)
		off();
	reply("{\"ok\":true,\"ready\":true}");
	for (;;) {
		ssize_t got = read(port, buffer + used, sizeof(buffer) - 1 - used);
		char *end;

		if (got <= 0) {
			usleep(WAIT_MS * 1000);
			continue;
		}
		used += (size_t)got;
		buffer[used] = '\0';
		while ((end = strchr(buffer, '\n'))) {
			*end = '\0';
			obey_line(buffer);
			used -= (size_t)(end + 1 - buffer);
			memmove(buffer, end + 1, used + 1);
		}
		if (used >= sizeof(buffer) - 1)
			used = 0;
	}
}
