// SPDX-License-Identifier: Apache-2.0
// Reads a file out of a patch series: what the patches that touch it make of it.

/** Unified diffs of `path` within one patch, as lists of body lines. */
function diffsOf(patch: string, path: string): string[][] {
  const diffs: string[][] = [];
  let current: string[] | null = null;
  for (const line of patch.split('\n')) {
    if (line.startsWith('diff --git ')) {
      current = line.endsWith(` b/${path}`) ? [] : null;
      if (current) diffs.push(current);
    } else if (line === '-- ') {
      current = null;
    } else {
      current?.push(line);
    }
  }
  return diffs;
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@/;

function applyDiff(before: readonly string[], diff: readonly string[]): string[] {
  const after: string[] = [];
  let taken = 0;
  for (let at = 0; at < diff.length; at++) {
    const hunk = HUNK.exec(diff[at] ?? '');
    if (!hunk) continue;
    const oldCount = hunk[2] === undefined ? 1 : Number(hunk[2]);
    const from = oldCount === 0 ? Number(hunk[1]) : Number(hunk[1]) - 1;
    after.push(...before.slice(taken, from));
    taken = from;
    for (at++; at < diff.length && !HUNK.test(diff[at] ?? ''); at++) {
      const line = diff[at] ?? '';
      if (line.startsWith('+')) after.push(line.slice(1));
      else if (line.startsWith('-')) taken++;
      else if (line.startsWith(' ')) after.push(before[taken++] ?? '');
    }
    at--;
  }
  return [...after, ...before.slice(taken)];
}

/** The file after all patches, in order; null where none of them adds it. */
export function fileAfterPatches(patches: readonly string[], path: string): string | null {
  let lines: string[] | null = null;
  for (const patch of patches) {
    for (const diff of diffsOf(patch, path)) lines = applyDiff(lines ?? [], diff);
  }
  return lines === null ? null : `${lines.join('\n')}\n`;
}
