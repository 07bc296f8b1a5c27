// SPDX-License-Identifier: Apache-2.0
// czone bench figures: the build's own figures, on a node that is started for it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { action } from '../command.js';
import { readCount } from '../read-options.js';

interface Options {
  readonly cycles: string;
  readonly functions: string;
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const CYCLES_MAX = 10_000;

export function benchFigures(group: Command): void {
  group
    .command('figures')
    .summary("measure this build's plug, unplug, starts and empty VM")
    .description(
      'Starts a node of its own, places and stops containers one after another, and tells the\n' +
        'medians: plug and unplug as the guest measures them, the device’s round trip, each\n' +
        'stage of a start, and what an empty VM holds of the host’s memory. Absolute times hold\n' +
        'for this machine and accelerator only.',
    )
    .option('--cycles <n>', 'place and stop each function so often', '10')
    .option('--functions <ids>', 'functions, with commas between', 'html,node-json')
    .option('--json', 'print one JSON object')
    .action(
      action(async (run, options: Options) => {
        const cycles = readCount('--cycles', options.cycles, 1, CYCLES_MAX);
        const { NodeProcess } = await import('../../demo/node-process.js');
        const { measureFigures } = await import('../../bench/figures.js');
        const runDir = await mkdtemp(join(tmpdir(), 'czone-bench-'));
        const node = await NodeProcess.start([MAIN], {
          runDir,
          logPath: join(runDir, 'node.log'),
          args: [],
          signal: run.signal,
        });
        try {
          const figures = await measureFigures({
            client: node.client,
            cycles,
            functions: options.functions.split(','),
            say: (line) => run.output.note(line),
          });
          await run.output.result(figures, async () => {
            const { table } = await import('../table.js');
            const { figureRows } = await import('../../bench/figures-table.js');
            return table(['FIGURE', '>MEDIAN', 'FROM, TO'], figureRows(figures));
          });
        } finally {
          await node.end();
          await rm(runDir, { recursive: true, force: true });
        }
      }),
    );
}
