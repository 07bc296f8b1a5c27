// SPDX-License-Identifier: Apache-2.0
// czone bench report: the page and the plots, of results that were kept.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { action, jsonOption } from '../command.js';

interface Options {
  readonly out: string;
}

export function benchReport(group: Command): void {
  jsonOption(
    group
      .command('report <results>')
      .summary('write benchmarks.md and its plots of kept results')
      .description('Writes benchmarks.md and its plots of what `bench … --json FILE` has kept.')
      .option('--out <dir>', 'where to write them', 'docs'),
  ).action(
    action(async (run, options: Options, results: string) => {
      const { readBenchFile } = await import('../../bench/files.js');
      const { ALL_QUESTIONS } = await import('../../bench/questions/all.js');
      const { writeReport } = await import('../../bench/report/write.js');
      const file = await readBenchFile(resolve(results));
      const written = await writeReport(file, ALL_QUESTIONS, resolve(options.out));
      await run.output.result({ written }, () => written.join('\n'));
    }),
  );
}
