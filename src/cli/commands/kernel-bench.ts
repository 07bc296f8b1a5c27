// SPDX-License-Identifier: Apache-2.0
// czone kernel bench: what zones cost the kernel.
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { action } from '../command.js';
import { artifactFor, noteStale, qemuFor, workOf } from '../kernel-options.js';
import { readCount } from '../read-options.js';

interface Options {
  readonly tree?: string;
  readonly zones: string;
  readonly json?: string | boolean;
}

const ZONES_MAX = 4095;

export function kernelBench(program: Command): void {
  program
    .command('bench')
    .summary('measure plug, unplug, fork, reports and page faults')
    .description(
      'Builds the release kernel, and the same without the series, and measures: plug, unplug,\n' +
        'fork into a zone and the scan for free pages, with few zones and with many; page faults\n' +
        'in a zone, outside, and on the unpatched kernel, as time and as executed instructions,\n' +
        'which the emulator counts. Times hold for this machine only.',
    )
    .option('--tree <dir>', 'a kernel tree (default: the one of `czone kernel tree`)')
    .option('--zones <counts>', 'how many zones at once, with commas between', '1,16,128,512')
    .option('--json [file]', 'print one JSON object, or write it to a file beside the tables')
    .action(
      // The file is not the output's business.
      action(async (run, options: Options) => {
        const zones = options.zones.split(',').map((n) => readCount('--zones', n, 1, ZONES_MAX));
        zones.sort((a, b) => a - b);
        const { ensureTree, ensureBaseTree } = await import('../../kernel-dev/tree.js');
        const { buildKernel } = await import('../../kernel-dev/build.js');
        const { runBench } = await import('../../kernel-dev/bench.js');
        const work = await workOf(run);
        const tree = await ensureTree(work, options.tree ?? null);
        noteStale(run, tree);
        const kernel = await buildKernel(work, tree.dir, 'release');
        const base = await buildKernel(work, await ensureBaseTree(tree.dir), 'release');
        const result = await runBench({
          qemuPath: await qemuFor(run),
          rootfsPath: join(await artifactFor(run, 'rootfs'), 'rootfs.erofs'),
          kernel,
          base,
          zones,
          signal: run.signal,
          say: (line) => run.output.note(`czone: ${line}`),
        });
        const tables = await import('../../kernel-dev/bench-tables.js');
        const json = {
          ...result,
          prototype: tables.PROTOTYPE,
          stockHotplug: tables.STOCK_HOTPLUG,
        };
        if (typeof options.json === 'string') {
          await writeFile(resolve(options.json), `${JSON.stringify(json, null, 2)}\n`);
        }
        await run.output.result(json, async () => {
          const { table } = await import('../table.js');
          const { head, rows } = tables.zoneTable(result);
          const faults = [
            ...tables.faultRows('ns', result.faultNs),
            ...tables.faultRows('instructions', result.faultInstructions),
            ...tables.faultRows('instructions, mean', result.faultInstructionsMean),
          ];
          return `${table(head, rows)}\n\n${table(tables.FAULT_HEAD, faults)}`;
        });
      }),
    );
}
