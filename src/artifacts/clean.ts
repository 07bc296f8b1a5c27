// SPDX-License-Identifier: Apache-2.0
// Removes what cut-off builds left, and versions that nobody has used for long.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFile, parseEntry } from './cache.js';
import { tryLock } from './lock.js';

/** Finished versions kept of an artifact, the most recently used. */
export const VERSIONS_KEPT = 2;

/** For the holder of the artifact's lock: nobody else can be building it. Returns what went. */
export async function removeBuilds(cacheDir: string, name: string): Promise<string[]> {
  const removed: string[] = [];
  for (const directory of await readdir(cacheDir)) {
    const entry = parseEntry(directory);
    if (entry === null || entry.name !== name || entry.builderPid === null) continue;
    await rm(join(cacheDir, directory), { recursive: true, force: true });
    removed.push(directory);
  }
  return removed;
}

/** Removes the builds whose builders are gone, of every artifact. Returns what went. */
export async function removeStaleTmp(cacheDir: string): Promise<string[]> {
  const names = new Set<string>();
  for (const directory of await readdir(cacheDir).catch(() => [])) {
    const entry = parseEntry(directory);
    if (entry !== null && entry.builderPid !== null) names.add(entry.name);
  }
  const removed: string[] = [];
  for (const name of names) {
    const lock = await tryLock(lockFile(cacheDir, name));
    if (lock === null) continue;
    try {
      removed.push(...(await removeBuilds(cacheDir, name)));
    } finally {
      await lock.release();
    }
  }
  return removed;
}

/** For the holder of the artifact's lock. Never removes `keepHash`. Returns what went. */
export async function removeOldVersions(
  cacheDir: string,
  name: string,
  keepHash: string,
): Promise<string[]> {
  const versions: { directory: string; usedMs: number }[] = [];
  for (const directory of await readdir(cacheDir)) {
    const entry = parseEntry(directory);
    if (entry === null || entry.name !== name || entry.builderPid !== null) continue;
    const usedMs =
      entry.hash === keepHash
        ? Number.POSITIVE_INFINITY
        : (await stat(join(cacheDir, directory))).mtimeMs;
    versions.push({ directory, usedMs });
  }
  versions.sort((a, b) => b.usedMs - a.usedMs);
  const old = versions.slice(VERSIONS_KEPT).map(({ directory }) => directory);
  for (const directory of old)
    await rm(join(cacheDir, directory), { recursive: true, force: true });
  return old;
}
