// SPDX-License-Identifier: Apache-2.0
// Builds what tests on VMs need before they start, so that no test waits for it.
import { ensureArtifacts } from '../artifacts/ensure-all.js';
import { listArtifacts } from '../artifacts/list.js';
import { benchArtifacts } from '../bench/vm/machine.js';
import { buildProgress } from '../cli/build-progress.js';
import { isNeeded } from '../cli/needed-artifacts.js';
import type { Kind } from './test-plan.js';

const KERNEL_TESTS_NEED: readonly string[] = ['kernel-debug', 'qemu'];
const BENCH_TEST_NEEDS: readonly string[] = benchArtifacts('quick');

/** `idle`: beside tests, with what they leave of the processors. */
export async function ensureArtifactsFor(
  kind: Kind,
  files: readonly string[],
  idle: boolean,
): Promise<void> {
  const benchToo = files.some((path) => path.endsWith('/bench.test.js'));
  const needs = (name: string) =>
    kind === 'kernel'
      ? KERNEL_TESTS_NEED.includes(name)
      : isNeeded(name) || (benchToo && BENCH_TEST_NEEDS.includes(name));
  const missing = (await listArtifacts())
    .filter(({ name, present }) => !present && needs(name))
    .map(({ name }) => name);
  if (missing.length === 0) return;
  console.log(`# building ${missing.join(', ')}${idle ? ', beside the tests' : ''}`);
  await ensureArtifacts(missing, { idle, onProgress: buildProgress((line) => console.log(line)) });
}
