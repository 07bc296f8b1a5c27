#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest kernel for who changes it: an editable tree, and incremental builds.
#
#   kernel-dev.sh tree DIR                        make a tree
#   kernel-dev.sh build {release|debug} TREE      build what changed
#
# "tree" unpacks Debian's source into DIR and makes it a git repository: the
# source as one commit, tagged "base", then a commit for each patch of the series,
# the last one tagged "series".
#
# "build" works in TREE/build-czone-FLAVOUR, the kernel's own O= directory: one
# level below the tree, because then the compiler sees the same relative paths in
# every tree, and ccache serves them all. Beside the kernel's files it holds
# czone/{bzImage,config}, and, where the tree has selftests, czone/tests/ and
# czone/selftests.cpio.gz. Both flavours can run selftests; debug also looks at
# itself. A tree without the series is built with the same options, as far as it
# knows them.
#
# On stdout one line per step: "progress DONE/TOTAL what". The compiler's output
# goes to DIR.log or czone/log, named when something fails.
#
# CZONE_KERNEL_SOURCE  source archive (default: where the Debian package puts it)
# CZONE_CACHE_DIR      ccache's files go to its ccache/ unless CCACHE_DIR is set
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly program=kernel-dev.sh poll_s=0.2
# The source, its git objects and room to spare; a build of each flavour. MiB.
readonly tree_need_mib=2600 build_need_mib=1500
# Lines of make's output of a full build: a little off is no harm.
readonly full_build_lines=1800

child=
half_made=
# shellcheck source=vm-images/kernel-common.sh
. "$here/kernel-common.sh"

cleanup() {
  trap - EXIT INT TERM HUP
  end_child
  if [ -n "$half_made" ]; then rm -rf -- "$half_made"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- tree ----------------------------------------------------------------------

git_tree() { git -C "$half_made" "$@"; }

commit_base() {
  git_tree init -q -b czone
  git_tree config user.name >/dev/null || git_tree config user.name 'czone developers'
  git_tree config user.email >/dev/null || git_tree config user.email czone@localhost
  git_tree config gc.auto 0
  git_tree add -A -f
  git_tree commit -q -m "$(base_field package) $(base_field version)"
  git_tree tag base
}

make_tree() { # DIR
  local tree=$1 count=0 total file series=()
  [ ! -e "$tree" ] || die "$tree is there already"
  mkdir -p -- "$(dirname "$tree")"
  progress 0 'check tools and source'
  need_tools
  command -v git >/dev/null || die 'missing Debian packages: git (apt-get install git)'
  check_source
  check_disk "$(dirname "$tree")" "$tree_need_mib"
  log=$tree.log kept_log=$tree.log
  half_made=$tree.tmp-$$
  : >"$log"
  mkdir -- "$half_made"
  run 'unpack the source' 10 400 0 tar -xf "$source_archive" -C "$half_made" --strip-components=1
  export -f base_field commit_base git_tree
  export half_made patches
  run 'commit the source' 400 800 0 bash -euc commit_base
  for file in "$patches"/series/[0-9]*.patch; do
    case ${file##*/} in 0000-*) ;; *) series+=("$file") ;; esac
  done
  total=${#series[@]}
  for file in "${series[@]}"; do
    run "commit ${file##*/}" $((800 + 190 * count / total)) 990 0 \
      git -C "$half_made" am -q --whitespace=nowarn "$file"
    count=$((count + 1))
  done
  git_tree tag series
  mv -- "$half_made" "$tree"
  half_made=
  rm -f -- "$log"
  progress 1000 'done'
}

# --- build ---------------------------------------------------------------------

# The configuration is made anew when a fragment has changed, or a Kconfig file
# of the tree: a new option must not make the build ask.
configuration_holds() {
  local stamp=$build/.czone-fragments list=$build/include/config/auto.conf.cmd
  [ -r "$build/.config" ] && [ -r "$list" ] || return 1
  [ "$(cat "$stamp" 2>/dev/null)" = "$(cat -- "${fragments[@]}" | sha256sum)" ] || return 1
  local kconfigs
  mapfile -t kconfigs < <(cd "$tree" && git ls-files -m -o --exclude-standard -- '*Kconfig*')
  [ "$(git -C "$tree" rev-parse HEAD 2>/dev/null)" = "$(cat "$build/.czone-head" 2>/dev/null)" ] ||
    kconfigs+=(Kconfig-of-another-commit)
  local file
  for file in "${kconfigs[@]}"; do
    [ -e "$tree/$file" ] && [ ! "$tree/$file" -nt "$stamp" ] || return 1
  done
}

configure() {
  local patched=no
  if [ -e "$tree/mm/czone.c" ]; then patched=yes; fi
  run 'configure' 10 30 0 "${make_kernel[@]}" tinyconfig
  run 'configure' 15 30 0 "$tree/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" \
    "${fragments[@]}"
  run 'configure' 20 30 0 "${make_kernel[@]}" olddefconfig
  check_config "$patched" "$build/.config" "${fragments[@]}"
  git -C "$tree" rev-parse HEAD >"$build/.czone-head" 2>/dev/null || true
  cat -- "${fragments[@]}" | sha256sum >"$build/.czone-fragments"
}

build_selftests() {
  local tests=$tree/tools/testing/selftests/czone
  if [ ! -d "$tests" ]; then
    rm -rf -- "$out/tests" "$out/selftests.cpio.gz"
    return 0
  fi
  mkdir -p -- "$out/tests"
  # The kernel's own headers first: what the tests speak of is not in the system's.
  if [ ! -e "$build/usr/include/linux/czone.h" ] ||
    [ -n "$(find "$tree"/include/uapi -newer "$build/usr/include/linux/czone.h" -print -quit)" ]; then
    run 'install headers' 940 960 0 "${make_kernel[@]}" headers
    touch -- "$build/usr/include/linux/czone.h"
  fi
  run 'compile selftests' 960 980 0 make -C "$tests" -j"$(nproc)" CC="$compiler" \
    OUTPUT="$out/tests" KHDR_INCLUDES="-isystem $build/usr/include"
  pack_selftests "$out/tests" "$build/usr/gen_init_cpio" "$out/selftests.cpio.gz"
}

# git need not list what is built.
exclude_builds() {
  local file
  file=$(git -C "$tree" rev-parse --git-path info/exclude 2>/dev/null) || return 0
  file=$(cd "$tree" && readlink -f "$file")
  grep -qsx '/build-czone-\*' "$file" || { mkdir -p "${file%/*}" && echo '/build-czone-*' >>"$file"; }
}

build_tree() { # flavour, TREE
  local expected=0
  fragments=("$patches/kernel.config" "$patches/selftest.config")
  case $1 in
    release) ;;
    debug) fragments+=("$patches/debug.config") ;;
    *) die "unknown flavour '$1': release or debug" ;;
  esac
  tree=$2
  if [ ! -e "$tree/Kbuild" ] || [ ! -d "$tree/mm" ]; then die "$tree is no kernel tree"; fi
  if [ -e "$tree/.config" ] || [ -d "$tree/include/config" ]; then
    die "there was a build inside of $tree; clean it with 'make -C $tree mrproper'" \
      "(git keeps what you changed)"
  fi
  progress 0 'check tools'
  need_tools
  tree=$(cd "$tree" && pwd)
  build=$tree/build-czone-$1 out=$tree/build-czone-$1/czone
  log=$out/log kept_log=$out/log
  exclude_builds
  mkdir -p -- "$out"
  if [ ! -e "$build/vmlinux" ]; then
    expected=$full_build_lines
    check_disk "$out" "$build_need_mib"
  fi
  # The output of an earlier build must not pass for this one's.
  rm -f -- "$out/bzImage"
  : >"$log"
  export CCACHE_BASEDIR=$tree CCACHE_NOHASHDIR=1
  # Set, if empty: no "+" for a tree that git knows.
  export LOCALVERSION=
  make_kernel=(make -C "$tree" O="$build" -j"$(nproc)" CC="$compiler" HOSTCC="$compiler")
  if ! configuration_holds; then configure; fi
  run 'compile' 30 940 "$expected" "${make_kernel[@]}" bzImage
  build_selftests
  # For `czone kernel shell`.
  run 'compile poweroff' 980 985 0 gcc -O2 -Wall -static -o "$out/poweroff" \
    "$here/kernel-shell/poweroff.c"
  cp -- "$build/.config" "$out/config"
  cp -- "$build/arch/x86/boot/bzImage" "$out/bzImage"
  progress 1000 'done'
}

case ${1:-}-$# in
  tree-2) make_tree "$2" ;;
  build-3) build_tree "$2" "$3" ;;
  *) die 'usage: kernel-dev.sh tree DIR | build {release|debug} TREE' ;;
esac
