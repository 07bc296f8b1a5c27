// SPDX-License-Identifier: Apache-2.0
// One hash over everything a build reads, so that a build is as old as its inputs.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Hex digits of a cache key. */
export const KEY_DIGITS = 16;

/**
 * Hash over names, contents and execute bits of the files, and of all files in
 * the folders, that `paths` names below `root`; and over `extra`. Times, owners
 * and the order of `paths` don't count; nor do dot files, which editors leave, and
 * the cover letter of a patch series, which builds nothing.
 * Rejects with ENOENT for a path that is not there.
 */
export async function contentHash(
  root: string,
  paths: readonly string[],
  extra: readonly string[] = [],
): Promise<string> {
  const files = new Set<string>();
  for (const path of paths) {
    for (const file of await filesBelow(root, path)) files.add(file);
  }
  const hash = createHash('sha256');
  // Lengths in front, so that no two lists of parts give one stream of bytes.
  const add = (part: string | Buffer) => {
    hash.update(`${Buffer.byteLength(part)}:`);
    hash.update(part);
  };
  for (const text of extra) add(text);
  for (const file of [...files].sort()) {
    const path = join(root, file);
    add(file);
    add(((await stat(path)).mode & 0o100) === 0 ? 'plain' : 'executable');
    add(await readFile(path));
  }
  return hash.digest('hex').slice(0, KEY_DIGITS);
}

async function filesBelow(root: string, path: string): Promise<string[]> {
  if (!(await stat(join(root, path))).isDirectory()) return [path];
  const found: string[] = [];
  for (const entry of await readdir(join(root, path), { withFileTypes: true })) {
    if (/^(\.|0000-cover-letter|__pycache__$)/.test(entry.name)) continue;
    found.push(...(await filesBelow(root, `${path}/${entry.name}`)));
  }
  return found;
}
