// SPDX-License-Identifier: Apache-2.0
// Builds what tests on VMs need before they start, so that no test waits for it.
import { ensureArtifacts } from '../artifacts/ensure-all.js';
import { listArtifacts } from '../artifacts/list.js';
import { buildProgress } from '../cli/build-progress.js';
import { isNeeded } from '../cli/needed-artifacts.js';
import type { Kind } from './test-plan.js';

const KERNEL_TESTS_NEED = new Set<string>(['kernel-debug', 'qemu']);

export async function ensureArtifactsFor(kind: Kind): Promise<void> {
  const needs = kind === 'vm' ? isNeeded : (name: string) => KERNEL_TESTS_NEED.has(name);
  const missing = (await listArtifacts())
    .filter(({ name, present }) => !present && needs(name))
    .map(({ name }) => name);
  if (missing.length === 0) return;
  console.log(`# building ${missing.join(', ')}`);
  await ensureArtifacts(missing, { onProgress: buildProgress((line) => console.log(line)) });
}
