// SPDX-License-Identifier: Apache-2.0
// Several artifacts at once: a kernel compiles while packages are downloaded.
import { messageOf } from '../protocol/errors.js';
import { defaultCacheDir } from './cache.js';
import { removeStaleTmp } from './clean.js';
import { type Artifact, type EnsureOptions, ensureArtifact } from './ensure.js';

/**
 * In the order of `names`. The first failure ends the other builds and is the
 * one that is thrown.
 */
export async function ensureArtifacts(
  names: readonly string[],
  options: EnsureOptions = {},
): Promise<Artifact[]> {
  // Of all artifacts: a cut-off build of one that is not asked for would stay for ever.
  await removeStaleTmp(options.cacheDir ?? defaultCacheDir());
  const failed = new AbortController();
  const signals = [failed.signal, ...(options.signal ? [options.signal] : [])];
  const signal = AbortSignal.any(signals);
  const done = new Map<string, Artifact>();
  const failures: Error[] = [];
  // Kernels take all processors, the rest mostly the network: one of each at a time.
  const lanes = [
    names.filter((name) => name.startsWith('kernel')),
    names.filter((name) => !name.startsWith('kernel')),
  ];
  await Promise.all(
    lanes.map(async (lane) => {
      for (const name of lane) {
        if (failed.signal.aborted) return;
        try {
          done.set(name, await ensureArtifact(name, { ...options, signal }));
        } catch (error) {
          failures.push(error instanceof Error ? error : new Error(messageOf(error)));
          failed.abort();
        }
      }
    }),
  );
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  return names.map((name) => done.get(name) as Artifact);
}
