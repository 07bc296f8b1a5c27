#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a private QEMU: Debian's newest, its libraries, loader and firmware in
# one directory that runs on older systems and leaves the system's own alone.
#
#   qemu.sh OUTDIR
#
# Writes OUTDIR/qemu-system-x86_64 (the program to call, relocatable with its
# directory), OUTDIR/{bin,lib,firmware,modules} and OUTDIR/packages. Prints
# "progress DONE/TOTAL what" on stdout, everything else on stderr.
# The running process is named by its loader, ld-linux-x86-64.
#
# Environment: see debian.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=vm-images/debian.sh
. "$here/debian.sh"

readonly pin_list=$here/pins/qemu
readonly firmware=(seabios/bios-256k.bin seabios/bios-microvm.bin qemu/kvmvapic.bin
  qemu/linuxboot_dma.bin qemu/multiboot_dma.bin qemu/pvh.bin qemu/qboot.rom
  seabios/vgabios-stdvga.bin)
# What the controller uses; a QEMU without one of them is of no use.
readonly devices=(vhost-user-test-device-pci virtio-blk-pci virtio-net-pci virtio-serial-pci
  virtserialport pcie-root-port)

[ $# -eq 1 ] || die "usage: qemu.sh OUTDIR"
progress 0/4 'check tools'
need_tools mmdebstrap:mmdebstrap dpkg-deb:dpkg setsid:util-linux
begin "$1" 600

progress 0/4 'download and unpack packages'
suites+=("$guest_suite-backports")
root=$work/root
bootstrap "$pin_list" "$root" --variant=extract --include=qemu-system-x86 \
  --aptopt="APT::Default-Release \"$guest_suite-backports\""

progress 2/4 'take program, libraries and firmware'
mkdir -p "$outdir"/{bin,lib,firmware,modules}
libraries=$root/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
cp "$root/usr/bin/qemu-system-x86_64" "$outdir/bin/"
cp -L "$loader" "$outdir/lib/"
# The loader itself says which libraries the program wants, and where it would
# find them here; the ones it wants but could not find would show as a failure.
# (dlopen'ed: libgcc_s, by glibc when a thread is cancelled.)
"$loader" --library-path "$libraries" --list "$outdir/bin/qemu-system-x86_64" |
  awk '$2 == "=>" { print $3 }' >"$work/libraries"
echo "$libraries/libgcc_s.so.1" >>"$work/libraries"
while IFS= read -r file; do
  case $file in
    "$libraries"/*) cp -Lf "$file" "$outdir/lib/" ;;
    *ld-linux-x86-64.so.2) ;;
    *) die "the program's library $file does not come from its own packages" ;;
  esac
done <"$work/libraries"
for file in "${firmware[@]}"; do
  cp -L "$root/usr/share/$file" "$outdir/firmware/"
done

cat >"$outdir/qemu-system-x86_64" <<'WRAPPER'
#!/bin/sh
# Starts this directory's QEMU with its own loader and libraries. The system's
# QEMU modules and firmware are another version's: never let it find them.
here=$(dirname "$(readlink -f "$0")")
export QEMU_MODULE_DIR="$here/modules"
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" --argv0 qemu-system-x86_64 \
  "$here/bin/qemu-system-x86_64" -L "$here/firmware" "$@"
WRAPPER
chmod 0755 "$outdir/qemu-system-x86_64"
record_packages "$pin_list" "$work/extracted" "$outdir/packages"

progress 3/4 'try it'
qemu=$outdir/qemu-system-x86_64
version=$("$qemu" --version | sed -n '1s/^QEMU emulator version //p')
[ -n "$version" ] || die "the unpacked QEMU does not start"
# One at a time: a whole list would have it load every module that it knows of,
# and it looks for those it lacks in the system's directory too.
for device in "${devices[@]}"; do
  "$qemu" -M q35 -nodefaults -display none -device "$device,help" >/dev/null 2>"$work/error" ||
    die "QEMU $version lacks $device ($(tail -n1 "$work/error")): 10.2 or newer is needed"
done
"$qemu" -M q35 -nodefaults -display none -object memory-backend-memfd,help >/dev/null 2>&1 ||
  die "QEMU $version lacks memory-backend-memfd"
"$qemu" -M none -netdev help >"$work/netdevs" 2>&1
grep -qx user "$work/netdevs" || die "QEMU $version lacks user networking"
echo "$version" >"$outdir/version"
progress 4/4 "QEMU $version"
