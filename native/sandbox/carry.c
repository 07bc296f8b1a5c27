/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "czone_sandbox.h"

static const char interface[] = "eth0";

static int set_internet_address(struct sockaddr* place, const char* text) {
  struct sockaddr_in internet = {.sin_family = AF_INET};

  errno = EINVAL;
  if (inet_pton(AF_INET, text, &internet.sin_addr) != 1) return -1;
  memcpy(place, &internet, sizeof(internet));
  return 0;
}

static int set_route(int fd, const char* gateway) {
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

  if (set_internet_address(&route.rt_dst, "0.0.0.0") < 0 ||
      set_internet_address(&route.rt_genmask, "0.0.0.0") < 0 ||
      set_internet_address(&route.rt_gateway, gateway) < 0)
    return -1;
  return ioctl(fd, SIOCADDRT, &route);
}

static int set_address_by(int fd, const char* address, const char* gateway) {
  struct ifreq request = {0};

  memcpy(request.ifr_name, interface, sizeof(interface));
  if (set_internet_address(&request.ifr_addr, address) < 0 ||
      ioctl(fd, SIOCSIFADDR, &request) < 0 ||
      set_internet_address(&request.ifr_netmask, "255.255.255.0") < 0 ||
      ioctl(fd, SIOCSIFNETMASK, &request) < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
    return -1;
  request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
  if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) return -1;
  return set_route(fd, gateway);
}

static int set_address(const char* address, const char* gateway) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (fd < 0) return -1;
  int result = set_address_by(fd, address, gateway);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

static int make_directory(const char* path, mode_t mode) {
  struct stat status;

  if (mkdir(path, mode) == 0) return 0;
  if (errno != EEXIST || lstat(path, &status) < 0) return -1;
  /* A link, which an image may hold, would lead elsewhere. */
  errno = ENOTDIR;
  return S_ISDIR(status.st_mode) ? 0 : -1;
}

static int remount_read_only(const char* path, unsigned long flags) {
  return mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL);
}

static int mask(const char* path) {
  struct stat status;

  if (lstat(path, &status) < 0) return errno == ENOENT || errno == EACCES ? 0 : -1;
  if ((S_ISDIR(status.st_mode) ? mount("tmpfs", path, "tmpfs", 0, "size=0k")
                               : mount("/dev/null", path, NULL, MS_BIND, NULL)) < 0)
    return -1;
  return remount_read_only(path, 0);
}

static int make_read_only(const char* path) {
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0) return errno == ENOENT ? 0 : -1;
  return remount_read_only(path, MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

static int pivot(const char* path) {
  if (chdir(path) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
    return -1;
  return chdir("/");
}

static const char* or_null(const char* text) { return text[0] == '\0' ? NULL : text; }

int czone_sandbox_carry(const struct czone_sandbox_step* step) {
  switch (step->act) {
    case CZONE_ACT_MKDIR:
      return make_directory(step->path, (mode_t)step->number);
    case CZONE_ACT_MOUNT:
      return mount(or_null(step->source), step->path, or_null(step->type),
                   (unsigned long)step->number, or_null(step->data));
    case CZONE_ACT_DEVICE:
      return mknod(step->path, (mode_t)step->number, (dev_t)step->device);
    case CZONE_ACT_OWN:
      return lchown(step->path, (uid_t)step->number, (gid_t)step->device);
    case CZONE_ACT_SYMLINK:
      return symlink(step->source, step->path);
    case CZONE_ACT_MASK:
      return mask(step->path);
    case CZONE_ACT_READ_ONLY:
      return make_read_only(step->path);
    case CZONE_ACT_PIVOT:
      return pivot(step->path);
    case CZONE_ACT_CHDIR:
      return chdir(step->path);
    case CZONE_ACT_HOSTNAME:
      return sethostname(step->source, strlen(step->source));
    case CZONE_ACT_ADDRESS:
      return set_address(step->source, step->data);
  }
  errno = EINVAL;
  return -1;
}
