// SPDX-License-Identifier: Apache-2.0
// Several artifacts at once: a kernel compiles while packages are downloaded.
import { messageOf } from '../protocol/errors.js';
import { defaultCacheDir } from './cache.js';
import { removeStaleTmp } from './clean.js';
import { type Artifact, CHECKOUT, type EnsureOptions, ensureArtifact } from './ensure.js';
import { allRecipes, type Recipe } from './recipes.js';
import { Scratch } from './scratch.js';

/**
 * Kernels take all processors, the rest mostly the network: one of each at a time. Nor
 * would two kernels at once find in the compiler's cache what the other has compiled:
 * they have most of it in common.
 */
export function lanesOf(names: readonly string[], recipes: readonly Recipe[]): string[][] {
  const isKernel = (name: string) => name.startsWith('kernel');
  const compiles = (name: string) =>
    isKernel(name) ||
    recipes.some(
      (recipe) => recipe.name === name && recipe.needs.some((need) => isKernel(need.artifact)),
    );
  return [names.filter(compiles), names.filter((name) => !compiles(name))];
}

/**
 * In the order of `names`. The first failure ends the other builds and is the
 * one that is thrown.
 */
export async function ensureArtifacts(
  names: readonly string[],
  options: EnsureOptions = {},
): Promise<Artifact[]> {
  // Of all artifacts: a cut-off build of one that is not asked for would stay for ever.
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  await removeStaleTmp(cacheDir);
  const failed = new AbortController();
  const signals = [failed.signal, ...(options.signal ? [options.signal] : [])];
  const signal = AbortSignal.any(signals);
  const done = new Map<string, Artifact>();
  const failures: Error[] = [];
  const recipes = await allRecipes(options.checkout ?? CHECKOUT);
  const scratch = new Scratch(cacheDir);
  const ensureLane = async (lane: readonly string[]) => {
    for (const name of lane) {
      if (failed.signal.aborted) return;
      try {
        done.set(name, await ensureArtifact(name, { ...options, signal, scratch }));
      } catch (error) {
        failures.push(error instanceof Error ? error : new Error(messageOf(error)));
        failed.abort();
      }
    }
  };
  try {
    await Promise.all(lanesOf(names, recipes).map(ensureLane));
  } finally {
    await scratch.remove();
  }
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  return names.map((name) => done.get(name) as Artifact);
}
