// SPDX-License-Identifier: Apache-2.0
// czone bench compare: what got worse since the stored baseline.
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { action, jsonOption } from '../command.js';
import { exitCodeOf } from '../exit-codes.js';

interface Options {
  readonly baseline: string;
  readonly store?: boolean;
}

export function benchCompare(group: Command): void {
  jsonOption(
    group
      .command('compare <results>')
      .summary('tell what got worse since the stored baseline')
      .description(
        'Compares ratios and counts of instructions, which hold on any machine, with a stored\n' +
          'baseline, and tells what got worse by more than its tolerance; then the exit code\n' +
          'is 4. --store makes these results the baseline.',
      )
      .option('--baseline <file>', 'the baseline', 'docs/benchmarks/baseline.json')
      .option('--store', 'write the baseline'),
  ).action(
    action(async (run, options: Options, results: string) => {
      const files = await import('../../bench/files.js');
      const { ALL_QUESTIONS } = await import('../../bench/questions/all.js');
      const { baselineOf, compare, guardedOf } = await import('../../bench/compare.js');
      const file = await files.readBenchFile(resolve(results));
      const path = resolve(options.baseline);
      if (options.store === true) {
        const baseline = baselineOf(file, ALL_QUESTIONS);
        await writeFile(path, `${JSON.stringify(baseline, null, 2)}\n`);
        await run.output.result(baseline, () => `${baseline.figures.length} figures in ${path}`);
        return undefined;
      }
      const baseline = await files.readBaseline(path);
      if (baseline.accelerator !== file.machine.accelerator) {
        throw new CzoneError(
          'FAILED_PRECONDITION',
          `${path} was measured under ${baseline.accelerator}, ${results} under ` +
            `${file.machine.accelerator}: their ratios can't be compared`,
        );
      }
      const comparison = compare(baseline, guardedOf(file, ALL_QUESTIONS));
      const worse = comparison.compared.filter(({ verdict }) => verdict === 'worse');
      await run.output.result(comparison, async () => {
        const { table } = await import('../table.js');
        const rows = comparison.compared.map(({ key, before, now, worseBy, verdict }) => [
          key,
          before.toPrecision(4),
          now.toPrecision(4),
          `${(worseBy * 100).toFixed(1)} %`,
          verdict === 'same' ? '' : verdict,
        ]);
        const missing = comparison.notMeasured.length;
        const parts = [table(['FIGURE', '>BEFORE', '>NOW', '>WORSE BY', ''], rows)];
        if (missing > 0) parts.push(`${missing} figures of the baseline were not measured.`);
        parts.push(`${worse.length} got worse.`);
        return parts.join('\n\n');
      });
      return worse.length > 0 ? exitCodeOf('FAILED_PRECONDITION') : undefined;
    }),
  );
}
