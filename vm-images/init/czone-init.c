// SPDX-License-Identifier: Apache-2.0
// The guest's first process: makes the mounts, starts the daemon and starts it
// again when it dies, reaps what nobody else reaps, and ends the machine.
//
// The daemon is a subreaper: the orphans of its containers go to it while it
// lives. Those that come here ended while there was no daemon; their statuses
// are kept in EXITS_DIR/<pid> as "<start time> <wait status>" (the start time of
// /proc/<pid>/stat, so that a reused pid can be told) for the next daemon.
//
// Static, one thread, no allocation after the start.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGROUP "/sys/fs/cgroup"
#define EXITS_DIR "/run/czone/exits"
#define DAEMON_PID_FILE "/run/czone/daemon.pid"
#define PORTS "/sys/class/virtio-ports"
// The host gives a VM this port when its operator asked for a debug shell.
#define SHELL_PORT "czone.shell"

enum {
	EXITS_KEPT = 1024,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 5000,
	// A daemon that lived this long died of something new.
	SETTLED_MS = 10000,
	TERM_GRACE_MS = 2000,
};

static const char *const daemon_argv[] = {
	"/usr/bin/node",
	// Small heaps and no optimising compiler: the daemon is idle most of its
	// life, and every VM pays for what it holds.
	"--max-semi-space-size=1",
	"--max-old-space-size=64",
	"--optimize-for-size",
	"--no-opt",
	// Without it a function is slow until it has run eight times: for hours.
	"--no-lazy-feedback-allocation",
	"--single-threaded-gc",
	"--v8-pool-size=1",
	"/usr/lib/czone/daemon.cjs",
	NULL,
};

static void say(const char *format, ...)
{
	char line[256] = "czone-init: ";
	size_t start = strlen(line);
	va_list arguments;
	int fd, length;

	va_start(arguments, format);
	length = vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	length = (int)strlen(line);
	line[length++] = '\n';
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fd = dup(STDERR_FILENO);
	if (fd >= 0) {
		ssize_t ignored = write(fd, line, (size_t)length);
		(void)ignored;
		close(fd);
	}
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	// Not reached; a first process that ends makes the kernel panic, which ends
	// the machine as well.
	_exit(1);
}

static void die(const char *what, const char *object)
{
	say("%s %s: %s: giving up", what, object, strerror(errno));
	power_off();
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	close(fd);
	return written < 0 ? -1 : 0;
}

static void make_directory(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		die("mkdir", path);
}

static void mount_all(void)
{
	static const struct {
		const char *type, *target, *options;
		unsigned long flags;
		mode_t mode; // of a mount point to make, 0: it is there
	} mounts[] = {
		{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0 },
		{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0 },
		{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID | MS_NOEXEC, 0 },
		{ "devpts", "/dev/pts", "ptmxmode=0666,mode=0620", MS_NOSUID | MS_NOEXEC, 0755 },
		{ "tmpfs", "/dev/shm", "mode=1777,size=16m", MS_NOSUID | MS_NODEV, 01777 },
		{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV, 0 },
		{ "tmpfs", "/tmp", "mode=1777,size=16m", MS_NOSUID | MS_NODEV, 0 },
		{ "cgroup2", CGROUP, NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0 },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		if (mounts[i].mode)
			make_directory(mounts[i].target, mounts[i].mode);
		// EBUSY: the kernel has mounted /dev already.
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0 && errno != EBUSY)
			die("mount", mounts[i].target);
	}
	make_directory("/run/czone", 0755);
	make_directory(EXITS_DIR, 0755);
}

static void make_cgroups(void)
{
	static const char *const controllers[] = { "+memory", "+cpu", "+pids", "+io" };

	make_directory(CGROUP "/system", 0755);
	make_directory(CGROUP "/czone", 0755);
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		if (write_file(CGROUP "/cgroup.subtree_control", controllers[i]) < 0 ||
		    write_file(CGROUP "/czone/cgroup.subtree_control", controllers[i]) < 0)
			say("cgroup controller %s: %s", controllers[i], strerror(errno));
	}
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		say("loopback: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

// Where the daemon's own words go: the host keeps the console in a file.
static int open_console(void)
{
	static const char *const consoles[] = { "/dev/hvc0", "/dev/ttyS0", "/dev/console", "/dev/null" };

	for (size_t i = 0; i < sizeof(consoles) / sizeof(consoles[0]); i++) {
		int fd = open(consoles[i], O_WRONLY | O_NOCTTY);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void run_daemon(unsigned int restarts)
{
	char restarts_text[48];
	char *const environment[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run", "LC_ALL=C", "NODE_ENV=production",
		// One arena: the threads of the pool would each map their own.
		"MALLOC_ARENA_MAX=1", restarts_text, NULL,
	};
	sigset_t none;
	int console = open_console(), null = open("/dev/null", O_RDONLY);

	snprintf(restarts_text, sizeof(restarts_text), "CZONE_DAEMON_RESTARTS=%u", restarts);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	// The daemon's memory is counted, and can be reclaimed, apart from the
	// containers'. It must outlive them when memory runs out.
	write_file(CGROUP "/system/cgroup.procs", "0");
	write_file("/proc/self/oom_score_adj", "-900");
	dup2(null, STDIN_FILENO);
	dup2(console, STDOUT_FILENO);
	dup2(console, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execve(daemon_argv[0], (char *const *)daemon_argv, environment);
	say("exec %s: %s", daemon_argv[0], strerror(errno));
	_exit(127);
}

// Field 22 of /proc/<pid>/stat. The second field is a name that may hold anything.
static unsigned long long start_time(pid_t pid)
{
	char path[32], stat[1024], *at;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (length <= 0)
		return 0;
	stat[length] = '\0';
	at = strrchr(stat, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at ? strtoull(at, NULL, 10) : 0;
}

static void keep_exit(pid_t pid, unsigned long long started, int status)
{
	static pid_t kept[EXITS_KEPT];
	static unsigned int next;
	char path[64], line[48];
	int fd;

	if (kept[next]) {
		snprintf(path, sizeof(path), EXITS_DIR "/%d", kept[next]);
		unlink(path);
	}
	kept[next] = pid;
	next = (next + 1) % EXITS_KEPT;

	snprintf(path, sizeof(path), EXITS_DIR "/%d", pid);
	snprintf(line, sizeof(line), "%llu %d\n", started, status);
	// Renamed into place, so that a reader never sees half a line.
	fd = open(EXITS_DIR "/.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	ssize_t written = write(fd, line, strlen(line));
	close(fd);
	if (written < 0 || rename(EXITS_DIR "/.new", path) < 0)
		say("exit status of %d is lost: %s", pid, strerror(errno));
}

// Reaps all that has ended; true if the daemon was among it.
static int reap(pid_t daemon_pid)
{
	int daemon_died = 0;

	for (;;) {
		siginfo_t info = { 0 };
		unsigned long long started;
		int status;

		// Left waitable at first: /proc/<pid> goes with the reaping.
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return daemon_died;
		started = start_time(info.si_pid);
		if (waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
			continue;
		if (info.si_pid == daemon_pid) {
			daemon_died = 1;
			say("daemon %d ended: %s %d", daemon_pid,
			    WIFEXITED(status) ? "exit code" : "signal",
			    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		} else {
			keep_exit(info.si_pid, started, status);
		}
	}
}

static void shut_down(const sigset_t *signals)
{
	long long deadline = now_ms() + TERM_GRACE_MS;

	say("shutting down");
	kill(-1, SIGTERM);
	while (now_ms() < deadline) {
		struct timespec wait = { .tv_nsec = 50 * 1000000 };

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			break;
		sigtimedwait(signals, NULL, &wait);
	}
	kill(-1, SIGKILL);
	power_off();
}

// Opens the virtio-serial port of this name; -1 where there is none.
static int open_port(const char *wanted)
{
	DIR *ports = opendir(PORTS);
	struct dirent *entry;
	int port = -1;

	while (ports && port < 0 && (entry = readdir(ports))) {
		char path[sizeof(PORTS) + sizeof(entry->d_name) + 8], name[64];
		ssize_t length;
		int fd;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		length = read(fd, name, sizeof(name) - 1);
		close(fd);
		name[length > 0 ? length : 0] = '\0';
		name[strcspn(name, "\n")] = '\0';
		if (strcmp(name, wanted))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		port = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (ports)
		closedir(ports);
	return port;
}

// A root shell on the port, a new one each time that the host connects.
static void keep_shell(void)
{
	int port = open_port(SHELL_PORT);
	sigset_t none;

	if (port < 0)
		return;
	if (fork() != 0) {
		close(port);
		return;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (;;) {
		struct pollfd poll_port = { .fd = port, .events = POLLIN };
		struct timespec pause = { .tv_nsec = 200 * 1000000 };
		pid_t shell;

		// Without a host at the other end reads end at once.
		if (poll(&poll_port, 1, -1) < 0 || (poll_port.revents & POLLHUP)) {
			nanosleep(&pause, NULL);
			continue;
		}
		shell = fork();
		if (shell == 0) {
			char *const argv[] = { "sh", NULL };
			char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

			dup2(port, STDIN_FILENO);
			dup2(port, STDOUT_FILENO);
			dup2(port, STDERR_FILENO);
			execve("/bin/sh", argv, environment);
			_exit(127);
		}
		if (shell > 0)
			waitpid(shell, NULL, 0);
	}
}

static void note_daemon(pid_t pid)
{
	char text[16];
	int fd = open(DAEMON_PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%d\n", pid);
	if (write(fd, text, strlen(text)) < 0)
		say("%s: %s", DAEMON_PID_FILE, strerror(errno));
	close(fd);
}

/*
 * A kernel that boots with less than 512 MiB has all of it off; that the zones come
 * later it can't know. Where a huge page is asked for, it is worth compaction, too.
 */
static void huge_pages(void)
{
	static const char *const values[][2] = {
		{ "enabled", "madvise" },
		{ "defrag", "madvise" },
		{ "khugepaged/defrag", "1" },
	};
	char path[96];
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/%s",
			 values[i][0]);
		if (write_file(path, values[i][1]) < 0)
			say("%s: %s", path, strerror(errno));
	}
}

int main(void)
{
	sigset_t signals;
	pid_t daemon_pid = -1;
	unsigned int restarts = 0;
	long long started_ms = 0, start_at_ms = 0, backoff_ms = BACKOFF_FIRST_MS;

	if (getpid() != 1) {
		fprintf(stderr, "czone-init: runs as the first process only\n");
		return 1;
	}
	umask(022);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGPWR);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	reboot(RB_DISABLE_CAD);

	mount_all();
	make_cgroups();
	loopback_up();
	if (sethostname("czone", 5) < 0)
		say("hostname: %s", strerror(errno));
	huge_pages();
	/*
	 * Pages on per-CPU lists are free, but nobody reports them to the host: by
	 * default up to 1.25 MiB a CPU of a small VM's boot memory. 1/1024 of it is
	 * still four batches.
	 */
	if (write_file("/proc/sys/vm/percpu_pagelist_high_fraction", "1024") < 0)
		say("per-CPU lists: %s", strerror(errno));
	keep_shell();

	for (;;) {
		long long wait_ms = 3600 * 1000;
		struct timespec wait;
		int signal;

		if (daemon_pid < 0) {
			wait_ms = start_at_ms - now_ms();
			if (wait_ms <= 0) {
				started_ms = now_ms();
				daemon_pid = fork();
				if (daemon_pid == 0)
					run_daemon(restarts);
				if (daemon_pid < 0) {
					say("fork: %s", strerror(errno));
					start_at_ms = started_ms + backoff_ms;
				} else {
					note_daemon(daemon_pid);
				}
				continue;
			}
		}
		wait.tv_sec = wait_ms / 1000;
		wait.tv_nsec = wait_ms % 1000 * 1000000;
		signal = sigtimedwait(&signals, NULL, &wait);
		if (signal == SIGTERM || signal == SIGINT || signal == SIGPWR)
			shut_down(&signals);
		if (reap(daemon_pid)) {
			daemon_pid = -1;
			restarts++;
			if (now_ms() - started_ms >= SETTLED_MS)
				backoff_ms = BACKOFF_FIRST_MS;
			start_at_ms = now_ms() + backoff_ms;
			backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
		}
	}
}
