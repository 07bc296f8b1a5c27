#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks the series patch by patch: each applies without fuzz, passes
# checkpatch.pl --strict without an ERROR, compiles the files it touches without a
# warning of W=1 or sparse, builds and, if asked for, boots. The selftests' files
# are compiled with -Wall -Wextra -Werror.
#
#   check-series.sh [--full] [--small] [--boot QEMU] [--from N] [--to N] WORKDIR
#
# --full       build bzImage after each patch, not only what the series touches
# --small      by check.config, which has all that the series touches and builds in a
#              third of the time, not by the configuration of the debug kernel
# --boot QEMU  boot each bzImage under this qemu-system-x86_64 (implies --full)
# --from N     build and boot from patch N on; the ones before are only applied
# --to N       stop after patch N
#
# After a patch of tests and texts alone no kernel is built: it is as before.
#
# Sparse and W=1 have complaints of the source as it was. What is compared is each
# file of the patch before it and after: only complaints that are new fail.
#
# WORKDIR gets linux/ (its files keep their times where nothing changed), build/
# (kept, so that a second run is fast) and a log a patch. CC and JOBS are taken
# from the environment. Without sparse installed, that part is left out, with a
# word about it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
full=no small=no boot='' from=1 to=9999 work=''
jobs=${JOBS:-$(nproc)}
cc=${CC:-gcc}

die() {
  echo "check-series.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --full) full=yes ;;
    --small) small=yes ;;
    --boot) boot=$2 full=yes && shift ;;
    --from) from=$2 && shift ;;
    --to) to=$2 && shift ;;
    -*) die "unknown option $1" ;;
    *) work=$1 ;;
  esac
  shift
done
[ -n "$work" ] || die 'usage: check-series.sh [--full] [--small] [--boot QEMU] [--from N] [--to N] WORKDIR'
mkdir -p -- "$work"
work=$(cd "$work" && pwd)
fragments=("$here/kernel.config" "$here/selftest.config" "$here/debug.config")
if [ "$small" = yes ]; then fragments=("$here/check.config"); fi

field() { sed -n "s/^$1=//p" "$here/BASE"; }

unpack() {
  local archive
  archive=${CZONE_KERNEL_SOURCE:-/usr/src/$(field package).tar.xz}
  [ "$(sha256sum "$archive" | cut -d' ' -f1)" = "$(field sha256)" ] ||
    die "$archive is not $(field package) $(field version)"
  rm -rf -- "$work/linux" "$work/build/.config" "$work/strict/.config"
  mkdir -p -- "$work/linux" "$work/build" "$work/strict" "$work/tests"
  tar -C "$work/linux" --strip-components=1 -xf "$archive"
}

mk() { # build directory, make's arguments
  local out=$1
  shift
  make -s -C "$work/linux" O="$out" CC="$cc" -j"$jobs" "$@"
}

# Options that later patches bring are dropped without a word.
configure() { # build directory
  if [ -e "$1/.config" ]; then return; fi
  mk "$1" tinyconfig >/dev/null
  (cd "$1" && "$work/linux/scripts/kconfig/merge_config.sh" -m -O . .config \
    "${fragments[@]}" >/dev/null 2>&1)
  mk "$1" olddefconfig >/dev/null
}

# The C files of patches that make compiles: those of the kernel itself.
touched() { # patches
  sed -n 's|^+++ b/\(.*\.c\)$|\1|p' "$@" | grep -v '^tools/' | sort -u
}

# A patch of tests and texts alone leaves the kernel as it was.
touches_kernel() { # patch
  sed -n 's|^+++ b/||p' "$1" | grep -vE '^(tools|Documentation)/|^MAINTAINERS$' >/dev/null
}

# What W=1 and sparse say of files, without the numbers of lines.
complaints() { # files
  local file objects=()
  for file in "$@"; do
    if [ -e "$work/linux/$file" ]; then objects+=("${file%.c}.o"); fi
  done
  if [ "${#objects[@]}" -eq 0 ]; then return; fi
  configure "$work/strict"
  mk "$work/strict" prepare
  for file in "${objects[@]}"; do rm -f -- "$work/strict/$file"; done
  # Sparse's errors, and files that the configuration leaves out, fail here, as before.
  { mk "$work/strict" -k W=1 ${sparse:+C=2} "${objects[@]}" 2>&1 || true; } |
    sed -nE "s|^(\.\./)*($work/linux/)?([^ :]+):[0-9]+:([0-9]+:)? ((warning\|error): .*)|\3: \5|p" |
    sort -u
}

new_complaints() { # patch
  local files=()
  mapfile -t files < <(touched "$1")
  if [ "${#files[@]}" -eq 0 ]; then return; fi
  complaints "${files[@]}" | comm -13 "$work/complaints.base" -
}

# Selftests of the series, strictly: nothing there is older than it.
tests_compile() {
  local tests=$work/linux/tools/testing/selftests/czone
  if [ ! -d "$tests" ]; then return; fi
  mk "$work/strict" headers
  make -s -C "$tests" CC="$cc" OUTPUT="$work/tests" \
    KHDR_INCLUDES="-isystem $work/strict/usr/include" USERCFLAGS='-Wextra -Wno-unused-parameter \
    -Wno-missing-field-initializers -Wno-sign-compare -Wno-clobbered -Werror'
}

build() {
  configure "$work/build"
  if [ "$full" = yes ]; then
    mk "$work/build" bzImage
  else
    mk "$work/build" prepare
    mk "$work/build" mm/ kernel/ fs/proc/ arch/x86/kernel/ arch/x86/mm/ drivers/virtio/
  fi
}

# Without a root file system a good kernel ends in exactly one way.
boots() { # log
  timeout 120 "$boot" -accel tcg -cpu max -smp 2 -M q35,max-ram-below-4g=256M -m 512M \
    -kernel "$work/build/arch/x86/boot/bzImage" -nographic -no-reboot -net none \
    -append 'console=ttyS0 panic=-1 czone_region=256M@4G' </dev/null >"$1" 2>&1 || true
  grep -q 'Unable to mount root fs' "$1" && ! grep -qE 'WARNING:|BUG:|INFO: possible' "$1"
}

sparse=
if command -v sparse >/dev/null; then
  sparse=yes
else
  echo 'check-series.sh: sparse is not installed; going on without it' >&2
fi
unpack
mapfile -t series_files < <(touched "$here"/series/[0-9]*.patch)
complaints "${series_files[@]}" >"$work/complaints.base"
number=0 rebuild=yes
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
  if grep -q '^+++ b/.*Kconfig' "$patch"; then rm -f -- "$work"/{build,strict}/.config; fi
  [ "$number" -ge "$from" ] || continue
  new_complaints "$patch" >"$work/complaints.new" 2>>"$log" || true
  if [ -s "$work/complaints.new" ]; then
    cat "$work/complaints.new" >&2
    die "$name: W=1 or sparse complains; see above"
  fi
  tests_compile >>"$log" 2>&1 || die "$name: the selftests do not compile; see $log"
  if touches_kernel "$patch"; then rebuild=yes; fi
  if [ "$rebuild" = no ]; then
    echo "ok $number $name (the kernel is as before)"
    continue
  fi
  build >>"$log" 2>&1 || die "$name does not build; see $log"
  if grep -q 'warning:' "$log"; then die "$name: the compiler warns; see $log"; fi
  rebuild=no
  if [ -n "$boot" ]; then
    boots "$work/$name.console" || die "$name does not boot; see $work/$name.console"
  fi
  echo "ok $number $name"
done
