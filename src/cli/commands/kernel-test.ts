// SPDX-License-Identifier: Apache-2.0
// czone kernel test: the series' selftests on the tree's kernel.
import type { Command } from 'commander';
import type { Verdict } from '../../kernel-dev/selftests.js';
import { CzoneError } from '../../protocol/errors.js';
import { action, type Run } from '../command.js';
import { EXIT_INTERNAL } from '../exit-codes.js';
import {
  buildFor,
  initramfsOf,
  type KernelOptions,
  kernelOptions,
  qemuFor,
} from '../kernel-options.js';
import { readDuration } from '../read-options.js';

interface Options extends KernelOptions {
  readonly long?: boolean;
  readonly duration: string;
}

/** All tests, on a busy machine of two cores. */
const TIMEOUT_MS = 30 * 60_000;
const STRESS = 'czone_stress_test';
/** Lives of a zone, for `test cycle --long`. */
const LONG_CYCLES = 10_000;

export function kernelTest(program: Command): void {
  kernelOptions(
    program
      .command('test [name]')
      .summary("run the selftests on the tree's kernel")
      .description(
        'Builds what changed and runs the selftests in a VM: all programs, or those that have the\n' +
          'name in theirs. What the kernel complains of counts as a failure. Ends with 1 when\n' +
          'something failed.',
      )
      .option('--long', 'run the stress test (or those named) alone, and for long')
      .option('--duration <time>', 'how long --long runs', '30m'),
  ).action(
    action(async (run, options: Options, name: string | undefined) => {
      const stressMs = options.long === true ? readDuration('--duration', options.duration) : null;
      const kernel = await buildFor(run, options);
      const initramfsPath = initramfsOf(kernel);
      const only = name ?? (stressMs === null ? undefined : STRESS);
      const { testNames } = await import('../../kernel-dev/build.js');
      const names = await testNames(kernel.testsDir);
      if (only !== undefined && !names.some((known) => known.includes(only))) {
        throw new CzoneError(
          'NOT_FOUND',
          `no selftest has ${JSON.stringify(only)} in its name; there are: ${names.join(', ')}`,
          { field: 'name' },
        );
      }
      const { runSelftests, verdictOf } = await import('../../kernel-dev/selftests.js');
      const result = await runSelftests({
        qemuPath: await qemuFor(run),
        kernelPath: kernel.kernelPath,
        initramfsPath,
        only,
        timeoutMs: TIMEOUT_MS + (stressMs ?? 0) * 2,
        signal: run.signal,
        onOutput: (line) => tell(run, line),
        ...(stressMs === null
          ? {}
          : { long: { stressSeconds: Math.ceil(stressMs / 1000), cycles: LONG_CYCLES } }),
      });
      const verdict = verdictOf(result);
      const { report } = result;
      await run.output.result({ kernel, verdict, programs: report.programs }, () => human(verdict));
      return verdict.failed === 0 ? undefined : EXIT_INTERNAL;
    }),
  );
}

/** Results as they come: of programs, and of cases that failed. */
function tell(run: Run, line: string): void {
  if (/^(?:ok|not ok| {2}not ok) /.test(line)) run.output.note(line);
}

function human({ passed, failed, skipped, failures }: Verdict): string {
  const lines = failures.flatMap(({ name, output }) => [
    `FAILED ${name}`,
    ...output.map((line) => `    ${line}`),
  ]);
  if (skipped > 0) lines.push(`# ${skipped} skipped`);
  return [...lines, `${passed} passed, ${failed} failed`].join('\n');
}
