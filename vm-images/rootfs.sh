#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the guest's root file system: Debian minbase, Node.js, crun, iproute2,
# our init, the guest daemon and its sandbox maker.
#
#   rootfs.sh base OUTDIR    the slow part: OUTDIR/base.tar, nothing of ours in it
#   rootfs.sh OUTDIR         OUTDIR/rootfs.erofs; takes CZONE_ROOTFS_BASE/base.tar,
#                            or makes one first
#
#   CZONE_DAEMON_BUNDLE      the guest daemon, one file (daemon.cjs)
#   CZONE_GUEST_ADDON        its addon (czone_guest.node), built against a C library
#                            no newer than the guest's
#
# Also writes OUTDIR/packages. Prints "progress DONE/TOTAL what" on stdout,
# everything else on stderr. The same input gives the same bytes.
# Environment: see debian.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
native=$here/../native
# shellcheck source=vm-images/debian.sh
. "$here/debian.sh"

readonly pin_list=$here/pins/rootfs
readonly file_system_uuid=6b1f4d2e-63c7-4b0e-9a55-637a6f6e6501
export SOURCE_DATE_EPOCH=0

# What nothing in the guest opens. The packages' names and versions stay in
# dpkg's status file, for whoever scans an image.
prune() { # root
  (
    cd "$1"
    rm -rf usr/share/{doc,doc-base,man,info,locale,i18n,lintian,bug,bash-completion,menu,pixmaps} \
      usr/share/{perl5,polkit-1,pam-configs,debconf,dict,common-licenses,base-files,keyrings,zsh} \
      usr/share/{libgcrypt20,gcc,zoneinfo} usr/share/nodejs/{corepack,npm} \
      usr/lib/{apt,dpkg,locale,systemd,udev,tmpfiles.d,sysusers.d} usr/lib/x86_64-linux-gnu/{gconv,perl-base,systemd} \
      usr/bin/{apt,apt-cache,apt-cdrom,apt-config,apt-get,apt-mark,perl,perl5.*,corepack,sqv,js} \
      usr/lib/x86_64-linux-gnu/libapt-*.so.* \
      usr/include var/cache var/log var/lib/{apt,pam,systemd,misc} var/backups \
      etc/apt etc/{cron.daily,logrotate.d,init.d,rc?.d,rcS.d,systemd,kernel,skel,update-motd.d} \
      boot home media mnt opt srv
    find var/lib/dpkg -mindepth 1 -maxdepth 1 ! -name status -exec rm -rf {} +
    rm -f etc/*- etc/.pwd.lock etc/machine-id etc/resolv.conf etc/hostname usr/bin/dpkg*
    mkdir -p var/cache var/log proc sys dev run tmp usr/lib/czone
    find dev run tmp -mindepth 1 -delete
  )
}

make_base() { # output directory
  local root=$work/base
  progress 0/10 'download and install packages'
  bootstrap "$pin_list" "$root" --variant=minbase --include=nodejs,crun,iproute2 \
    --customize-hook="chroot \"\$1\" dpkg-query -W >'$work/installed'"
  progress 7/10 'prune'
  sed 's/:amd64//; s/\t/=/' "$work/installed" >"$work/installed-packages"
  record_packages "$pin_list" "$work/installed-packages" "$1/packages"
  prune "$root"
  run 'pack the base' tar -C "$root" --sort=name --mtime=@0 --numeric-owner \
    --format=gnu -cf "$1/base.tar" .
  rm -rf --one-file-system -- "$root"
}

case ${1-} in
  base)
    [ $# -eq 2 ] || die "usage: rootfs.sh [base] OUTDIR"
    need_tools mmdebstrap:mmdebstrap tar:tar setsid:util-linux
    begin "$2" 1000
    make_base "$outdir"
    progress 10/10 'done'
    exit 0
    ;;
esac

[ $# -eq 1 ] || die "usage: rootfs.sh [base] OUTDIR"
bundle=${CZONE_DAEMON_BUNDLE-}
addon=${CZONE_GUEST_ADDON-}
[ -n "$bundle" ] || die "CZONE_DAEMON_BUNDLE is not set: it names the guest daemon's bundle"
[ -n "$addon" ] || die "CZONE_GUEST_ADDON is not set: it names the guest daemon's addon"
[ -s "$bundle" ] || die "no guest daemon at $bundle: build the project first"
[ -s "$addon" ] || die "no guest addon at $addon: build the project first"
need_tools mmdebstrap:mmdebstrap tar:tar setsid:util-linux gcc:gcc mkfs.erofs:erofs-utils
begin "$1" 1000

base=${CZONE_ROOTFS_BASE-}
if [ -z "$base" ]; then
  base=$work/made
  mkdir "$base"
  make_base "$base"
fi
[ -r "$base/base.tar" ] || die "no base.tar in $base"

root=$work/root
mkdir "$root"
progress 7/10 'unpack the base'
run 'unpack the base' tar -C "$root" --numeric-owner -xpf "$base/base.tar"

progress 8/10 'add init and daemon'
run 'compile init' gcc -std=gnu17 -Wall -Wextra -Werror -Os -static -s -ffunction-sections \
  -fdata-sections -Wl,--gc-sections -Wl,--build-id=none \
  -o "$root/usr/sbin/czone-init" "$here/init/czone-init.c"
run 'compile the sandbox maker' gcc -std=gnu17 -Wall -Wextra -Werror -Os -static -s \
  -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,--build-id=none \
  -I "$native/include" -o "$root/usr/lib/czone/czone-sandbox" "$native"/sandbox/*.c
install -m 0644 "$bundle" "$root/usr/lib/czone/daemon.cjs"
install -m 0755 "$addon" "$root/usr/lib/czone/czone_guest.node"
for file in usr/bin/node usr/bin/crun usr/sbin/ip; do
  [ -e "$root/$file" ] || [ -L "$root/$file" ] || die "the root file system lacks /$file"
done
# As in the guest: everything that the daemon's program needs must have survived
# the pruning, and its addon must load.
run 'load the daemon'"'"'s addon' env -i "$(command -v chroot)" "$root" /usr/bin/node -e \
  'process.dlopen({ exports: {} }, "/usr/lib/czone/czone_guest.node")'
for file in usr/bin/crun usr/sbin/ip usr/bin/mount; do
  run "load /$file" chroot "$root" /lib64/ld-linux-x86-64.so.2 --list "/$file"
done

progress 9/10 'make the file system'
# Not compressed: lz4hc halves the file (150 to 80 MiB), but under emulation the
# daemon starts 0.6 to 1.7 s later and the guest holds 4 MiB more.
run 'mkfs.erofs' mkfs.erofs --quiet -T0 -U "$file_system_uuid" "$outdir/rootfs.erofs" "$root"
cp "$base/packages" "$outdir/packages"
progress 10/10 'done'
