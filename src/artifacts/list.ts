// SPDX-License-Identifier: Apache-2.0
// What can be built and what is built, for `czone images` and `czone doctor`.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactError } from './artifact-error.js';
import { defaultCacheDir, entryDir } from './cache.js';
import { artifactHash, CHECKOUT, missingOutput } from './ensure.js';
import { type ArtifactName, allRecipes } from './recipes.js';

export interface ArtifactStatus {
  readonly name: ArtifactName;
  /** null: one of its inputs is not there yet (see `problem`). */
  readonly hash: string | null;
  readonly present: boolean;
  /** Where it lies, or would lie. */
  readonly dir: string | null;
  /** Allocated on disk; 0: not present. */
  readonly sizeBytes: number;
  readonly problem: string | null;
}

export async function listArtifacts(
  options: { readonly cacheDir?: string; readonly checkout?: string } = {},
): Promise<ArtifactStatus[]> {
  const checkout = options.checkout ?? CHECKOUT;
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const list: ArtifactStatus[] = [];
  for (const recipe of await allRecipes(checkout)) {
    const { name } = recipe;
    try {
      const hash = await artifactHash(checkout, recipe);
      const dir = entryDir(cacheDir, name, hash);
      const present = (await missingOutput(recipe, dir)) === null;
      const sizeBytes = present ? await allocatedBytes(dir) : 0;
      list.push({ name, hash, present, dir, sizeBytes, problem: null });
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      const { message } = error;
      list.push({ name, hash: null, present: false, dir: null, sizeBytes: 0, problem: message });
    }
  }
  return list;
}

async function allocatedBytes(path: string): Promise<number> {
  const { blocks } = await stat(path);
  let total = blocks * 512;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) total += await allocatedBytes(below);
    else if (entry.isFile()) total += (await stat(below)).blocks * 512;
  }
  return total;
}
