// SPDX-License-Identifier: Apache-2.0
// Whether there is room for a build, before it begins.
import { statfs } from 'node:fs/promises';
import { formatSize } from '../protocol/units.js';
import { ArtifactError } from './artifact-error.js';

/** RESOURCE_EXHAUSTED with what is needed, what there is, where, and what to do. */
export function checkRoom(
  artifact: string,
  directory: string,
  neededBytes: number,
  presentBytes: number,
): void {
  if (presentBytes >= neededBytes) return;
  throw new ArtifactError(
    'RESOURCE_EXHAUSTED',
    `no room to build ${artifact} in ${directory}: ${formatSize(neededBytes)} needed, ` +
      `${formatSize(presentBytes)} free; make room there, or set CZONE_CACHE_DIR to a ` +
      'directory with more',
    { artifact, step: null, logFile: null },
  );
}

export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
