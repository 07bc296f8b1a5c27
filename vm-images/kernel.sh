#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest kernel: Debian's kernel source with our series on top.
#
#   kernel.sh {release|debug|bench|bench-stock} OUTDIR
#
# bench is the kernel of `czone bench`, bench-stock the same without the series.
#
# Writes OUTDIR/{bzImage,config,System.map}, for debug also selftests.cpio.gz (the
# tests need CONFIG_CZONE_TEST), for bench czone_bench and gen_init_cpio, and on stdout one line per step: "progress
# DONE/TOTAL what". The compiler's output goes to a log file, named when something
# fails. The same input gives the same bytes.
#
# CZONE_KERNEL_SOURCE  source archive (default: where the Debian package puts it)
# CZONE_WORK_DIR       where to unpack and build (default: beside OUTDIR)
# CZONE_CACHE_DIR      ccache's files go to its ccache/ unless CCACHE_DIR is set
# CZONE_SCRATCH_DIR    where to build instead, and to leave the tree for the next
#                      flavour of the same source, which compiles only what its
#                      options touch; the caller removes it
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly program=kernel.sh poll_s=1

# Lines of make's output that count as progress: a little off is no harm.
readonly release_lines=1360 debug_lines=1800
# Unpacked source, objects and room to spare, in MiB, as measured.
readonly release_need_mib=2600 debug_need_mib=3000

work=
child=
# shellcheck source=vm-images/kernel-common.sh
. "$here/kernel-common.sh"

cleanup() {
  trap - EXIT INT TERM HUP
  end_child
  if [ -n "$work" ]; then rm -rf -- "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

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

[ $# -eq 2 ] || die "usage: kernel.sh {release|debug|bench|bench-stock} OUTDIR"
flavour=$1
outdir=$2
fragments=("$patches/kernel.config")
case $flavour in
  release) lines=$release_lines need_mib=$release_need_mib ;;
  debug)
    lines=$debug_lines need_mib=$debug_need_mib
    fragments+=("$patches/selftest.config" "$patches/debug.config")
    # No other kernel has these options, so there is nothing to be found by what the
    # preprocessor makes of a file; without a look there a compilation costs less.
    export CCACHE_DEPEND=1
    ;;
  bench | bench-stock)
    lines=$release_lines need_mib=$release_need_mib
    fragments+=("$patches/bench.config")
    ;;
  *) die "unknown flavour '$flavour': release, debug, bench or bench-stock" ;;
esac
shopt -s nullglob
series=("$patches"/series/[0-9]*.patch)
shopt -u nullglob
if [ "$flavour" = bench-stock ]; then series=(); fi
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

scratch=${CZONE_SCRATCH_DIR:-$work}
tree=$scratch/linux
# Of what a built tree was made; not there while one is worked on.
made_of_file=$scratch/linux.made-of
made_of=$(cat -- "${series[@]}" <(echo "$source_sha256") | sha256sum)
found_made_of=$(cat -- "$made_of_file" 2>/dev/null || true)
rm -f -- "$made_of_file"
make_kernel=(make -C "$tree" -j"$(nproc)" CC="$compiler" HOSTCC="$compiler")

if [ "$found_made_of" != "$made_of" ]; then
  rm -rf -- "$tree"
  mkdir "$tree"
  # GPU register lists and device trees are a fifth of the bytes; nothing here
  # reads them (Kconfig does read the other architectures' files).
  run 'unpack the source' 10 150 0 tar -xf "$source_archive" -C "$tree" --strip-components=1 \
    --exclude='*/drivers/gpu/drm/amd/include/asic_reg' \
    --exclude='*/arch/*/boot/dts'
  if [ "${#series[@]}" -gt 0 ]; then
    apply_series "$tree"
  elif [ "$flavour" != bench-stock ]; then
    echo 'kernel.sh: the series is empty: building the unpatched kernel' >&2
  fi
fi

run 'configure' 170 180 0 "${make_kernel[@]}" tinyconfig
run 'configure' 172 180 0 "$tree/scripts/kconfig/merge_config.sh" -m -O "$tree" "$tree/.config" \
  "${fragments[@]}"
run 'configure' 174 180 0 "${make_kernel[@]}" olddefconfig
patched=yes
if [ "${#series[@]}" -eq 0 ]; then patched=no; fi
check_config "$patched" "$tree/.config" "${fragments[@]}"

: >"$log"
run 'compile' 180 950 "$lines" "${make_kernel[@]}" bzImage
tests=$tree/tools/testing/selftests/czone
if [ "$flavour" = debug ] && [ -d "$tests" ]; then
  run 'compile selftests' 950 980 0 "${make_kernel[@]}" headers
  run 'compile selftests' 960 980 0 make -C "$tests" CC="$compiler" \
    OUTPUT="$tests"
elif [ "$flavour" = bench ]; then
  run 'compile czone_bench' 950 980 0 "${make_kernel[@]}" headers
  run 'compile czone_bench' 960 980 0 make -C "$tests" CC="$compiler" \
    OUTPUT="$outdir" "$outdir/czone_bench"
  cp -- "$tree/usr/gen_init_cpio" "$outdir/"
fi

progress 980 'pack'
cp -- "$tree/arch/x86/boot/bzImage" "$tree/System.map" "$outdir/"
cp -- "$tree/.config" "$outdir/config"
if [ "$flavour" = debug ] && [ -d "$tests" ]; then
  pack_selftests "$tests" "$tree/usr/gen_init_cpio" "$outdir/selftests.cpio.gz"
fi
rm -f -- "$kept_log"
echo "$made_of" >"$made_of_file"
progress 1000 'done'
