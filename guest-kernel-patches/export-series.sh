#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the commits of a kernel tree as the series: BASE..HEAD become series/0001
# and on; the cover letter stays. BASE is the tag "base" of `czone kernel tree`,
# or the commit that is named.
#
#   export-series.sh TREE [BASE]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "export-series.sh: $*" >&2
  exit 1
}

if [ $# -lt 1 ] || [ $# -gt 2 ]; then die 'usage: export-series.sh TREE [BASE]'; fi
tree=$1 base=${2:-base}
git -C "$tree" rev-parse -q --verify "$base^{commit}" >/dev/null ||
  die "$tree has no commit '$base'; name the one that is Debian's source"
[ -z "$(git -C "$tree" status --porcelain --untracked-files=no)" ] ||
  die "$tree holds changes that are not committed"
[ -z "$(git -C "$tree" rev-list --merges "$base..HEAD")" ] || die 'a series has no merges'
count=$(git -C "$tree" rev-list --count "$base..HEAD")
[ "$count" -gt 0 ] || die "there is nothing behind '$base' in $tree"

new=$(mktemp -d)
trap 'rm -rf -- "$new"' EXIT
# The same lengths of hashes whatever else the repository holds.
git -C "$tree" -c core.abbrev=9 format-patch -q --no-signature --zero-commit --no-base -o "$new" "$base..HEAD"
unsigned=$(grep -L '^Signed-off-by: ' "$new"/*.patch || true)
[ -z "$unsigned" ] || die "not signed off: ${unsigned//"$new/"/}"
find "$here/series" -name '[0-9]*.patch' ! -name '0000-*' -delete
mv -- "$new"/*.patch "$here/series/"
echo "$count patches in $here/series"
