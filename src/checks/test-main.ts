// SPDX-License-Identifier: Apache-2.0
// ./czone test [FILTER ...] [--unit|--vm|--kernel]: static checks, unit tests, tests
// on real VMs, tests of the kernel. Ends with the line "N passed, N failed".
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ArtifactError } from '../artifacts/artifact-error.js';
import { messageOf } from '../protocol/errors.js';
import { ensureArtifactsFor } from './ensure-artifacts.js';
import { printChecks } from './print-checks.js';
import { runTap } from './run-tap.js';
import { sourceFiles } from './source-files.js';
import { type Kind, testPlan, timedAndOthers } from './test-plan.js';

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

const TITLES: Readonly<Record<Kind, string>> = {
  unit: 'unit tests',
  vm: 'tests on VMs',
  kernel: 'tests of the guest kernel',
};

const compiledTests = () =>
  sourceFiles(root)
    .filter((path) => /^test\/.*\.test\.ts$/.test(path))
    .map((path) => `dist/${path.replace(/\.ts$/, '.js')}`);

/** Whoever ends a build ends all; any other failure is told when the kernel's tests come. */
function endIfStopped(error: unknown): void {
  if (error instanceof ArtifactError && error.code === 'ABORTED') process.exit(130);
}

async function main(): Promise<{ passed: number; failed: number }> {
  const plan = testPlan(process.argv.slice(2), compiledTests());
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  if (plan.checks) {
    console.log('# static checks');
    const counts = await printChecks(root);
    passed += counts.passed;
    failed += counts.failed;
  }
  const builds: Partial<Record<Kind, Promise<void>>> = {};
  const build = (kind: Kind, idle = false): Promise<void> => {
    const files = plan.files[kind];
    builds[kind] ??= kind === 'unit' ? Promise.resolve() : ensureArtifactsFor(kind, files, idle);
    return builds[kind];
  };
  for (const kind of ['unit', 'vm', 'kernel'] as const) {
    const files = plan.files[kind];
    if (files.length === 0) continue;
    try {
      await build(kind);
    } catch (error) {
      console.log(`FAILED ${TITLES[kind]}: ${messageOf(error)}`);
      failed += 1;
      continue;
    }
    console.log(`# ${TITLES[kind]}: ${files.length} files`);
    // VMs are heavy and their tests look at the whole machine: one after another.
    const jobs = kind === 'unit' ? availableParallelism() : 1;
    const run = async (part: readonly string[]) => {
      if (part.length === 0) return;
      const counts = await runTap(root, part, jobs, (line) => console.log(line));
      passed += counts.passed;
      failed += counts.failed;
      skipped += counts.skipped;
    };
    const [timed, others] = timedAndOthers(files);
    await run(timed);
    // The debug kernel, from nothing, takes as long as most tests on VMs together.
    if (kind === 'vm' && plan.files.kernel.length > 0) build('kernel', true).catch(endIfStopped);
    await run(others);
  }
  if (passed + failed === 0) {
    console.log('no test fits; ./czone test [FILTER] [--unit|--vm|--kernel]');
    failed = 1;
  }
  if (skipped > 0) console.log(`# ${skipped} skipped, named above`);
  return { passed, failed };
}

try {
  const { passed, failed } = await main();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  console.log(messageOf(error));
  console.log('0 passed, 1 failed');
  process.exitCode = 2;
}
