// SPDX-License-Identifier: Apache-2.0
// Builds what tests on VMs need before they start, so that no test waits for it.
import { ensureArtifacts } from '../artifacts/ensure-all.js';
import { listArtifacts } from '../artifacts/list.js';
import { buildProgress } from '../cli/build-progress.js';
import type { Kind } from './test-plan.js';

const DEBUG_KERNEL = 'kernel-debug';

export async function ensureArtifactsFor(kinds: readonly Kind[]): Promise<void> {
  const missing = (await listArtifacts())
    .filter(({ present }) => !present)
    .map(({ name }) => name as string);
  const wanted = missing.filter((name) =>
    name === DEBUG_KERNEL ? kinds.includes('kernel') : kinds.includes('vm') || name === 'qemu',
  );
  if (wanted.length === 0) return;
  console.log(`# building ${wanted.join(', ')}`);
  await ensureArtifacts(wanted, { onProgress: buildProgress((line) => console.log(line)) });
}
