#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks the series patch by patch: each applies without fuzz, passes
# checkpatch.pl --strict without an ERROR, builds and, if asked for, boots.
#
#   check-series.sh [--full] [--boot QEMU] [--from N] [--to N] WORKDIR
#
# --full       build bzImage after each patch, not only what the series touches
# --boot QEMU  boot each bzImage under this qemu-system-x86_64 (implies --full)
# --from N     build and boot from patch N on; the ones before are only applied
# --to N       stop after patch N
#
# WORKDIR gets linux/ (made anew), build/ (kept, so that a second run is fast)
# and a log a patch. CC and JOBS are taken from the environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
full=no boot='' from=1 to=9999 work=''
jobs=${JOBS:-$(nproc)}
cc=${CC:-gcc}

die() {
  echo "check-series.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --full) full=yes ;;
    --boot) boot=$2 full=yes && shift ;;
    --from) from=$2 && shift ;;
    --to) to=$2 && shift ;;
    -*) die "unknown option $1" ;;
    *) work=$1 ;;
  esac
  shift
done
[ -n "$work" ] || die 'usage: check-series.sh [--full] [--boot QEMU] [--from N] [--to N] WORKDIR'

field() { sed -n "s/^$1=//p" "$here/BASE"; }

unpack() {
  local archive
  archive=${CZONE_KERNEL_SOURCE:-/usr/src/$(field package).tar.xz}
  [ "$(sha256sum "$archive" | cut -d' ' -f1)" = "$(field sha256)" ] ||
    die "$archive is not $(field package) $(field version)"
  rm -rf -- "$work/linux"
  mkdir -p -- "$work/linux" "$work/build"
  tar -C "$work/linux" --strip-components=1 -xf "$archive"
}

mk() { make -s -C "$work/linux" O="$work/build" CC="$cc" -j"$jobs" "$@"; }

configure() {
  mk tinyconfig >/dev/null
  (cd "$work/build" && "$work/linux/scripts/kconfig/merge_config.sh" -m -O . .config \
    "$here/kernel.config" "$here/debug.config" >/dev/null 2>&1)
  # Options that later patches bring are dropped here without a word.
  mk olddefconfig >/dev/null
}

build() {
  configure
  if [ "$full" = yes ]; then
    mk bzImage
  else
    mk prepare
    mk mm/ kernel/ fs/proc/ arch/x86/kernel/ arch/x86/mm/ drivers/virtio/
  fi
}

# Without a root file system a good kernel ends in exactly one way.
boots() { # log
  timeout 120 "$boot" -accel tcg -cpu max -smp 2 -M q35,max-ram-below-4g=256M -m 512M \
    -kernel "$work/build/arch/x86/boot/bzImage" -nographic -no-reboot -net none \
    -append 'console=ttyS0 panic=-1 czone_region=256M@4G' </dev/null >"$1" 2>&1 || true
  grep -q 'Unable to mount root fs' "$1" && ! grep -qE 'WARNING:|BUG:|INFO: possible' "$1"
}

unpack
number=0
for patch in "$here"/series/[0-9]*.patch; do
  name=$(basename "$patch" .patch)
  case $name in 0000-*) continue ;; esac
  number=$((number + 1))
  [ "$number" -le "$to" ] || break
  log=$work/$name.log
  patch -s -p1 -F0 --no-backup-if-mismatch -d "$work/linux" <"$patch" >"$log" 2>&1 ||
    die "$name does not apply; see $log"
  (cd "$work/linux" && scripts/checkpatch.pl --strict --no-tree -q "$patch") >>"$log" 2>&1 || true
  if grep -q '^ERROR' "$log"; then die "$name: checkpatch has errors; see $log"; fi
  [ "$number" -ge "$from" ] || continue
  build >>"$log" 2>&1 || die "$name does not build; see $log"
  if grep -q 'warning:' "$log"; then die "$name: the compiler warns; see $log"; fi
  if [ -n "$boot" ]; then
    boots "$work/$name.console" || die "$name does not boot; see $work/$name.console"
  fi
  echo "ok $number $name"
done
