#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What kernel.sh (the product's kernels) and kernel-dev.sh (a kernel developer's)
# have in common; sourced. The caller sets: here, program (for messages), log,
# kept_log, child, poll_s (seconds between looks at a running step).
# shellcheck shell=bash disable=SC2034,SC2154

patches=$here/../guest-kernel-patches

# The output depends on the input alone.
export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=czone
export KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1 SOURCE_DATE_EPOCH=0 LC_ALL=C
unset ARCH CROSS_COMPILE KCFLAGS KAFLAGS MAKEFLAGS LOCALVERSION KBUILD_OUTPUT
compiler=gcc
if command -v ccache >/dev/null; then
  export CCACHE_DIR=${CCACHE_DIR:-${CZONE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/czone}/ccache}
  compiler='ccache gcc'
fi

die() {
  echo "$program: $*" >&2
  exit 1
}

# For a trap: ends what runs.
end_child() {
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
}

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
  local package version sha256
  package=$(base_field package)
  version=$(base_field version)
  sha256=$(base_field sha256)
  source_archive=${CZONE_KERNEL_SOURCE:-/usr/src/$package.tar.xz}
  [ -r "$source_archive" ] ||
    die "no kernel source at $source_archive: install it with 'apt-get install $package'"
  source_sha256=$(sha256sum "$source_archive" | cut -d' ' -f1)
  if [ "$source_sha256" != "$sha256" ]; then
    echo "$program: $source_archive is not $package $version that the series was tested on" \
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
# it, with output to the log. Progress is read off the log.
run() { # what, from, to, expected lines, command...
  local what=$1 from=$2 to=$3 expected=$4 done_lines at status=0
  shift 4
  progress "$from" "$what"
  setsid "$@" >>"$log" 2>&1 &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep "$poll_s" &
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
    if [ "$log" != "$kept_log" ]; then cp -- "$log" "$kept_log"; fi
    grep -E 'error|Error|\*\*\*' "$log" | tail -n 15 >&2 || tail -n 15 "$log" >&2
    die "$what failed (status $status); log: $kept_log"
  fi
}

# A line that Kconfig dropped (a missing dependency, a renamed symbol) would
# show only as a fault in the guest, so every line must have come true.
# In an unpatched tree the lines of the series are dropped.
check_config() { # patched (yes or no), .config, fragment...
  local patched=$1 config=$2 line symbol value bad=0
  shift 2
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
    if [ "$patched" = no ] && [[ $symbol == *CZONE* ]]; then continue; fi
    value=$(grep -m1 "^$symbol=" "$config" || true)
    if [ "$value" != "${wanted[$symbol]}" ]; then
      echo "$program: $symbol: wanted '${wanted[$symbol]:-not set}', got '${value:-not set}'" >&2
      bad=1
    fi
  done
  [ "$bad" -eq 0 ] || die "the kernel's configuration did not come out as written"
}

# The initramfs that runs the selftests and prints KTAP. Made by the kernel's
# own gen_init_cpio, which takes the time stamp as an argument.
pack_selftests() { # directory of the programs, gen_init_cpio, output file
  local tests=$1 list file
  list=$(mktemp)
  {
    echo 'dir /dev 0755 0 0'
    echo 'nod /dev/console 0600 0 0 c 5 1'
    echo 'dir /tests 0755 0 0'
    echo "file /init $tests/czone_init 0755 0 0"
    for file in "$tests"/czone_*_test; do
      echo "file /tests/${file##*/} $file 0755 0 0"
    done
  } >"$list"
  "$2" -t 0 "$list" | gzip -9 -n >"$3"
  rm -f -- "$list"
}

