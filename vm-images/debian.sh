# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# What the scripts that build from Debian packages have in common: progress and
# errors, a work directory that goes at the end, which archive to use, pins.
#
# Sourced after `set -euo pipefail` with $0 the script's name. The archive is the
# one this machine's own apt sources name; overridden by
#   CZONE_DEBIAN_MIRROR           e.g. a mirror or proxy of the main archive
#   CZONE_DEBIAN_SECURITY_MIRROR  the same for security updates
# CZONE_WORK_DIR                  where to work (default: beside OUTDIR)

readonly guest_suite=trixie
suites=("$guest_suite" "$guest_suite-updates" "$guest_suite-security")
outdir=
work=
child=

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

note() {
  echo "${0##*/}: $*" >&2
}

progress() { # done/total, what
  echo "progress $1 $2"
}

cleanup() {
  trap - EXIT INT TERM HUP
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  if [ -n "$work" ]; then rm -rf --one-file-system -- "$work"; fi
}

# Sets outdir (made) and work (a fresh directory that the exit trap removes).
begin() { # OUTDIR, needed MiB
  [ "$(id -u)" -eq 0 ] || die "run as root: files of the image belong to root"
  [ "$(uname -m)" = x86_64 ] || die "builds for x86_64 only, this machine is $(uname -m)"
  mkdir -p -- "$1"
  outdir=$(cd "$1" && pwd)
  local parent=${CZONE_WORK_DIR:-$(dirname "$outdir")} present
  mkdir -p -- "$parent"
  present=$(df --output=avail -B1M -- "$parent" | tail -n1 | tr -d ' ')
  [ "$present" -ge "$2" ] ||
    die "no room in $parent: $2 MiB needed, $present MiB present" \
      "(set CZONE_WORK_DIR to a directory with more)"
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  work=$(mktemp -d -- "$parent/work.XXXXXX")
  chmod 0755 "$work"
}

need_tools() { # command:package...
  local missing=() tool
  for tool in "$@"; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    die "missing Debian packages: ${missing[*]} (apt-get install ${missing[*]})"
  fi
}

# apt itself reads its sources, whatever their format. Its lists say who
# publishes an archive; before the first `apt-get update` only the suite's name
# is known.
archive_of() { # label, suite name
  local label=$1 suite=$2 found
  found=$(apt-get indextargets --format '$(COMPONENT)|$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null |
    awk -F'|' -v label="$label" '$1 == "main" && $2 == "Debian" && $3 == label { print $4; exit }')
  if [ -z "$found" ]; then
    found=$(apt-get indextargets --no-release-info --format '$(COMPONENT)|$(RELEASE)|$(REPO_URI)' \
      'Created-By: Packages' 2>/dev/null |
      awk -F'|' -v suite="$suite" '$1 == "main" && $2 == suite { print $3; exit }')
  fi
  echo "${found%/}"
}

# Prints the apt sources of the guest's Debian, one a line.
debian_sources() { # suite...
  local codename main security suite
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  main=${CZONE_DEBIAN_MIRROR:-$(archive_of Debian "$codename")}
  security=${CZONE_DEBIAN_SECURITY_MIRROR:-$(archive_of Debian-Security "$codename-security")}
  [ -n "$main" ] ||
    die "this machine's apt sources name no Debian archive: set CZONE_DEBIAN_MIRROR to one"
  for suite in "$@"; do
    case $suite in
      *-security)
        if [ -n "$security" ]; then
          echo "deb $security $suite main"
        else
          note "no security archive known (CZONE_DEBIAN_SECURITY_MIRROR): building without its updates"
        fi
        ;;
      *) echo "deb $main $suite main" ;;
    esac
  done
}

# Runs a command in a process group of its own, so that an interrupt ends all of
# it, with its output on stderr.
run() { # what, command...
  local what=$1 status=0
  shift
  setsid "$@" >&2 &
  child=$!
  wait "$child" || status=$?
  child=
  [ "$status" -eq 0 ] || die "$what failed (status $status)"
}

pin_preferences() { # pins file
  awk -F= '/^[^#]/ { printf "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", $1, substr($0, length($1) + 2) }' "$1"
}

# Makes a root with mmdebstrap, the pinned versions first. Versions leave the
# archive with every point release; then the newest is taken, and said.
bootstrap() { # pins file, target, mmdebstrap option...
  local pins=$1 target=$2 status=0 sources=$work/sources.list attempt
  shift 2
  debian_sources "${suites[@]}" >"$sources"
  # Recorded before the packages' files can be cleaned away: a root of extracted
  # packages has no package database.
  local hook='for f in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -W --showformat "\${Package}=\${Version}\n" "$f"; done | LC_ALL=C sort -u'
  for attempt in pinned newest; do
    local options=(--mode=root --format=directory --architectures=amd64
      --aptopt='APT::Install-Recommends "false"'
      --aptopt='Acquire::Languages "none"'
      --aptopt='Acquire::Retries "3"')
    if [ "$attempt" = pinned ]; then
      [ -s "$pins" ] || continue
      pin_preferences "$pins" >"$work/preferences"
      # The quoted hook runs in a shell of mmdebstrap's, where $1 is the target.
      options+=(--setup-hook="cp '$work/preferences' \"\$1\"/etc/apt/preferences.d/pins")
    fi
    rm -rf --one-file-system -- "$target"
    status=0
    setsid mmdebstrap "${options[@]}" "$@" \
      --extract-hook="($hook) >>'$work/extracted'" \
      "$guest_suite" "$target" "$sources" >&2 &
    child=$!
    wait "$child" || status=$?
    child=
    [ "$status" -ne 0 ] || break
    [ "$attempt" = newest ] ||
      note "packages as pinned in ${pins##*/} could not be had (status $status): trying the newest"
  done
  [ "$status" -eq 0 ] ||
    die "mmdebstrap failed (status $status; apt's reasons are above) with the archive" \
      "$(awk 'NR == 1 { print $2 }' "$sources"): can this machine reach it? CZONE_DEBIAN_MIRROR names another"
}

# Says which versions differ from the pins and leaves the list beside the
# artifact, in the pins' own format: copy it over the pins to renew them.
record_packages() { # pins file, list of package=version, output file
  local pins=$1 line package
  LC_ALL=C sort -u "$2" >"$3"
  if [ ! -s "$pins" ]; then
    note "no pins in $pins: took the newest of everything"
    return
  fi
  while IFS= read -r line; do
    package=${line%%=*}
    if ! grep -qxF -- "$line" "$pins"; then
      note "$package: pinned $(sed -n "s/^$package=//p" "$pins" | grep . || echo nothing), took ${line#*=}"
    fi
  done <"$3"
}
