#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what `czone bench` runs: the initramfs of its guest, with the agent and
# czone_bench; the one of a VM with a single container; and the programs that measure
# the host's limit and its time stamp counter.
#
#   bench-guest.sh OUTDIR    OUTDIR/{initramfs.cpio.gz,solo.cpio.gz,punch,tsc}
#
#   CZONE_KERNEL_BENCH       the artifact kernel-bench: czone_bench and gen_init_cpio
#
# Prints "progress DONE/TOTAL what" on stdout. The same input gives the same bytes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "bench-guest.sh: $*" >&2
  exit 1
}

[ $# -eq 1 ] || die "usage: bench-guest.sh OUTDIR"
kernel=${CZONE_KERNEL_BENCH-}
[ -n "$kernel" ] || die "CZONE_KERNEL_BENCH is not set: it names the artifact kernel-bench"
for file in czone_bench gen_init_cpio; do
  [ -x "$kernel/$file" ] || die "no $file in $kernel"
done
mkdir -p -- "$1"
outdir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

compile() { # output, sources and options
  gcc -std=gnu17 -Wall -Wextra -Werror -O2 -static -s -Wl,--build-id=none -o "$@"
}

echo 'progress 0/3 compile'
compile "$work/agent" -idirafter "$here/../native/include" \
  "$here"/bench/{agent,hogs,neighbours,os}.c
compile "$work/solo" "$here/bench/solo.c"
compile "$outdir/punch" "$here/bench/punch.c"
compile "$outdir/tsc" "$here/bench/tsc.c"

echo 'progress 2/3 pack'
pack() { # output, init, lines for gen_init_cpio
  {
    for dir in dev proc sys root; do echo "dir /$dir 0755 0 0"; done
    echo 'nod /dev/console 0600 0 0 c 5 1'
    echo "file /init $2 0755 0 0"
    printf '%s\n' "${@:3}"
  } >"$work/list"
  "$kernel/gen_init_cpio" -t 0 "$work/list" | gzip -9 -n >"$outdir/$1"
}
pack initramfs.cpio.gz "$work/agent" "file /czone_bench $kernel/czone_bench 0755 0 0"
pack solo.cpio.gz "$work/solo"
echo 'progress 3/3 done'
