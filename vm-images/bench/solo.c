// SPDX-License-Identifier: Apache-2.0
// The first process of the peers that run one container a VM, as small as it honestly
// gets: the function's image with a writable overlay, the network, then the function
// itself in its place. No runtime, no daemon, no shell.
//
// From the kernel's command line (unknown words with "=" become the environment):
//
//   run=PROGRAM,ARGUMENT,...   what to execute in the image
//   hold=1                     wait for the host's word before that, for a template
//                              from before the start of the runtime
//
// The word comes as any line over the virtio-serial port.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT "virtio-serial port"
/* VIRTIO_DEVICES: more than such a machine has. */
enum { ARGUMENTS_MAX = 32, TRIES = 2000, TRY_US = 2000, VIRTIO_DEVICES = 8 };

static void die(const char *what)
{
	perror(what);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void must_mount(const char *source, const char *target, const char *type, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, 0, options))
		die(target);
}

static void root(void)
{
	int tries;

	mkdir("/image", 0755);
	for (tries = 0; mount("/dev/vda", "/image", "erofs", MS_RDONLY, NULL); tries++) {
		if (tries == TRIES)
			die("/dev/vda");
		usleep(TRY_US);
	}
	must_mount("tmp", "/layer", "tmpfs", "mode=755");
	mkdir("/layer/upper", 0755);
	mkdir("/layer/work", 0755);
	must_mount("overlay", "/root", "overlay",
		   "lowerdir=/image,upperdir=/layer/upper,workdir=/layer/work");
	must_mount("proc", "/root/proc", "proc", NULL);
	must_mount("tmp", "/root/tmp", "tmpfs", "mode=1777");
	must_mount("dev", "/root/dev", "devtmpfs", NULL);
}

static struct sockaddr address(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr any;

	inet_pton(AF_INET, text, &in.sin_addr);
	memcpy(&any, &in, sizeof(any));
	return any;
}

static void up(int fd, const char *name, const char *text)
{
	struct ifreq request = {0};
	int tries = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_addr = address(text);
	while (ioctl(fd, SIOCSIFADDR, &request)) {
		if (errno != ENODEV || tries++ == TRIES)
			die(name);
		usleep(TRY_US);
	}
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		die(name);
}

static void network(void)
{
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	up(fd, "lo", "127.0.0.1");
	up(fd, "eth0", "10.0.2.15");
	route.rt_dst = address("0.0.0.0");
	route.rt_genmask = address("0.0.0.0");
	route.rt_gateway = address("10.0.2.2");
	if (ioctl(fd, SIOCADDRT, &route))
		die("route");
	close(fd);
}

/* Its name has the number of the virtio device, which depends on the machine. */
static int open_port(void)
{
	char path[32];
	int n, fd = -1;

	for (n = 0; n < VIRTIO_DEVICES && fd < 0; n++) {
		snprintf(path, sizeof(path), "/dev/vport%dp1", n);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return fd;
}

static void wait_for_host(void)
{
	char byte;
	int tries, fd = -1;

	for (tries = 0; tries < TRIES && fd < 0; tries++) {
		fd = open_port();
		if (fd < 0)
			usleep(TRY_US);
	}
	if (fd < 0)
		die(PORT);
	if (write(fd, "held\n", 5) != 5)
		die(PORT);
	while (read(fd, &byte, 1) != 1)
		usleep(TRY_US);
	close(fd);
}

int main(void)
{
	char *arguments[ARGUMENTS_MAX + 1], *rest = NULL, *run = getenv("run");
	int count = 0;

	must_mount("dev", "/dev", "devtmpfs", NULL);
	root();
	network();
	if (getenv("hold"))
		wait_for_host();
	if (!run)
		die("run=");
	for (char *word = strtok_r(run, ",", &rest); word && count < ARGUMENTS_MAX;
	     word = strtok_r(NULL, ",", &rest))
		arguments[count++] = word;
	arguments[count] = NULL;
	if (chroot("/root") || chdir("/"))
		die("chroot");
	setenv("PATH", "/usr/bin:/bin", 1);
	unsetenv("run");
	execv(arguments[0], arguments);
	die(arguments[0]);
}
