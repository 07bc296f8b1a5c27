#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest kernel: Debian's kernel source with our series on top.
#
#   kernel.sh {release|debug} OUTDIR
#
# Writes OUTDIR/{bzImage,config,System.map}, for debug also selftests.cpio.gz (the
# tests need CONFIG_CZONE_TEST), and on stdout one line per step: "progress
# DONE/TOTAL what". The compiler's output goes to a log file, named when something
# fails. The same input gives the same bytes.
#
# CZONE_KERNEL_SOURCE  source archive (default: where the Debian package puts it)
# CZONE_WORK_DIR       where to unpack and build (default: beside OUTDIR)
# CZONE_CACHE_DIR      ccache's files go to its ccache/ unless CCACHE_DIR is set
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
patches=$here/../guest-kernel-patches

# Lines of make's output that count as progress: a little off is no harm.
readonly release_lines=1360 debug_lines=1800
# Unpacked source, objects and room to spare, in MiB, as measured.
readonly release_need_mib=2600 debug_need_mib=3000

work=
child=

die() {
  echo "kernel.sh: $*" >&2
  exit 1
}

cleanup() {
  trap - EXIT INT TERM HUP
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  if [ -n "$work" ]; then rm -rf -- "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

progress() { # thousandths, what
  echo "progress $1/1000 $2"
}

need_tools() {
  local missing=() tool
  for tool in gcc:gcc make:make flex:flex bison:bison bc:bc lz4:lz4 xz:xz-utils patch:patch \
    perl:perl gzip:gzip setsid:util-linux; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
  done
  for tool in gelf.h:libelf-dev linux/limits.h:linux-libc-dev; do
    echo "#include <${tool%%:*}>" | gcc -E -x c - >/dev/null 2>&1 || missing+=("${tool##*:}")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    die "missing Debian packages: ${missing[*]} (apt-get install ${missing[*]})"
  fi
}

base_field() { # name
  sed -n "s/^$1=//p" "$patches/BASE"
}

# The archive that BASE pins. Another version is used as long as the series
# applies without fuzz; the message says so, because nobody tested it.
check_source() {
  local package version sha256 found
  package=$(base_field package)
  version=$(base_field version)
  sha256=$(base_field sha256)
  source_archive=${CZONE_KERNEL_SOURCE:-/usr/src/$package.tar.xz}
  [ -r "$source_archive" ] ||
    die "no kernel source at $source_archive: install it with 'apt-get install $package'"
  found=$(sha256sum "$source_archive" | cut -d' ' -f1)
  if [ "$found" != "$sha256" ]; then
    echo "kernel.sh: $source_archive is not $package $version that the series was tested on" \
      "($(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || echo 'version unknown'));" \
      "going on as long as every patch applies without fuzz" >&2
  fi
}

check_disk() { # directory, needed MiB
  local present
  present=$(df --output=avail -B1M -- "$1" | tail -n1 | tr -d ' ')
  [ "$present" -ge "$2" ] ||
    die "no room to build the kernel in $1: $2 MiB needed, $present MiB present" \
      "(set CZONE_WORK_DIR to a directory with more)"
}

# Runs a command in a process group of its own, so that an interrupt ends all of
# it, with output to the log. Progress is read off the log once a second.
run() { # what, from, to, expected lines, command...
  local what=$1 from=$2 to=$3 expected=$4 done_lines at status=0
  shift 4
  progress "$from" "$what"
  setsid "$@" >>"$log" 2>&1 &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 1 &
    wait $! || true
    if [ "$expected" -gt 0 ]; then
      done_lines=$(grep -cE '^  [A-Z0-9_]+ +[^ ]' "$log" || true)
      at=$((from + (to - from) * (done_lines < expected ? done_lines : expected) / expected))
      progress "$at" "$what"
    fi
  done
  wait "$child" || status=$?
  child=
  if [ "$status" -ne 0 ]; then
    # The work directory goes; the log stays beside the output.
    cp -- "$log" "$kept_log"
    grep -E 'error|Error|\*\*\*' "$log" | tail -n 15 >&2 || tail -n 15 "$log" >&2
    die "$what failed (status $status); log: $kept_log"
  fi
}

apply_series() { # source tree
  local file count=0 total=${#series[@]}
  for file in "${series[@]}"; do
    progress $((150 + 20 * count / total)) "patch ${file##*/}"
    if ! patch -d "$1" -p1 -F0 --no-backup-if-mismatch --batch <"$file" >>"$log" 2>&1; then
      cp -- "$log" "$kept_log"
      tail -n 15 "$log" >&2
      die "patch ${file##*/} does not apply; log: $kept_log"
    fi
    count=$((count + 1))
  done
}

# A line that Kconfig dropped (a missing dependency, a renamed symbol) would
# show only as a fault in the guest, so every line must have come true.
check_config() { # .config, fragment...
  local config=$1 line symbol value bad=0
  shift
  declare -A wanted=()
  while read -r line; do
    case $line in
      CONFIG_*=*) wanted[${line%%=*}]=$line ;;
      '# CONFIG_'*' is not set')
        symbol=${line#\# }
        wanted[${symbol%% *}]=
        ;;
    esac
  done < <(cat -- "$@")
  for symbol in "${!wanted[@]}"; do
    if [ "${#series[@]}" -eq 0 ] && [[ $symbol == *CZONE* ]]; then continue; fi
    value=$(grep -m1 "^$symbol=" "$config" || true)
    if [ "$value" != "${wanted[$symbol]}" ]; then
      echo "kernel.sh: $symbol: wanted '${wanted[$symbol]:-not set}', got '${value:-not set}'" >&2
      bad=1
    fi
  done
  [ "$bad" -eq 0 ] || die "the kernel's configuration did not come out as written"
}

# The initramfs that runs the selftests and prints KTAP. Made by the kernel's
# own gen_init_cpio, which takes the time stamp as an argument.
pack_selftests() { # source tree, output file
  local tests=$1/tools/testing/selftests/czone list=$work/initramfs.list file
  if [ ! -d "$tests" ]; then
    [ "${#series[@]}" -eq 0 ] || echo "kernel.sh: the series holds no selftests" >&2
    return 0
  fi
  {
    echo 'dir /dev 0755 0 0'
    echo 'nod /dev/console 0600 0 0 c 5 1'
    echo 'dir /tests 0755 0 0'
    echo "file /init $tests/czone_init 0755 0 0"
    for file in "$tests"/czone_*_test; do
      echo "file /tests/${file##*/} $file 0755 0 0"
    done
  } >"$list"
  "$1/usr/gen_init_cpio" -t 0 "$list" | gzip -9 -n >"$2"
}

[ $# -eq 2 ] || die "usage: kernel.sh {release|debug} OUTDIR"
flavour=$1
outdir=$2
fragments=("$patches/kernel.config")
case $flavour in
  release) lines=$release_lines need_mib=$release_need_mib ;;
  debug)
    lines=$debug_lines need_mib=$debug_need_mib
    fragments+=("$patches/debug.config")
    ;;
  *) die "unknown flavour '$flavour': release or debug" ;;
esac
shopt -s nullglob
series=("$patches"/series/[0-9]*.patch)
shopt -u nullglob
kept=()
for file in "${series[@]}"; do
  case ${file##*/} in 0000-*) ;; *) kept+=("$file") ;; esac
done
series=("${kept[@]}")

mkdir -p -- "$outdir"
outdir=$(cd "$outdir" && pwd)
work_parent=${CZONE_WORK_DIR:-$(dirname "$outdir")}
mkdir -p -- "$work_parent"
kept_log=$work_parent/kernel-$flavour.log

progress 0 'check tools and source'
need_tools
check_source
check_disk "$work_parent" "$need_mib"
work=$(mktemp -d -- "$work_parent/kernel-$flavour.XXXXXX")
log=$work/log
: >"$log"

export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=czone
export KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1 SOURCE_DATE_EPOCH=0 LC_ALL=C
unset ARCH CROSS_COMPILE KCFLAGS KAFLAGS MAKEFLAGS LOCALVERSION
compiler=gcc
if command -v ccache >/dev/null; then
  export CCACHE_DIR=${CCACHE_DIR:-${CZONE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/czone}/ccache}
  compiler='ccache gcc'
fi
tree=$work/linux
make_kernel=(make -C "$tree" -j"$(nproc)" CC="$compiler" HOSTCC="$compiler")

mkdir "$tree"
# GPU register lists and device trees are a fifth of the bytes; nothing here
# reads them (Kconfig does read the other architectures' files).
run 'unpack the source' 10 150 0 tar -xf "$source_archive" -C "$tree" --strip-components=1 \
  --exclude='*/drivers/gpu/drm/amd/include/asic_reg' \
  --exclude='*/arch/*/boot/dts'
if [ "${#series[@]}" -gt 0 ]; then
  apply_series "$tree"
else
  echo 'kernel.sh: the series is empty: building the unpatched kernel' >&2
fi

run 'configure' 170 180 0 "${make_kernel[@]}" tinyconfig
run 'configure' 172 180 0 "$tree/scripts/kconfig/merge_config.sh" -m -O "$tree" "$tree/.config" \
  "${fragments[@]}"
run 'configure' 174 180 0 "${make_kernel[@]}" olddefconfig
check_config "$tree/.config" "${fragments[@]}"

: >"$log"
run 'compile' 180 950 "$lines" "${make_kernel[@]}" bzImage
if [ "$flavour" = debug ] && [ -d "$tree/tools/testing/selftests/czone" ]; then
  run 'compile selftests' 950 980 0 "${make_kernel[@]}" headers
  run 'compile selftests' 960 980 0 make -C "$tree/tools/testing/selftests/czone" \
    CC="$compiler" OUTPUT="$tree/tools/testing/selftests/czone"
fi

progress 980 'pack'
cp -- "$tree/arch/x86/boot/bzImage" "$tree/System.map" "$outdir/"
cp -- "$tree/.config" "$outdir/config"
if [ "$flavour" = debug ]; then pack_selftests "$tree" "$outdir/selftests.cpio.gz"; fi
rm -f -- "$kept_log"
progress 1000 'done'
