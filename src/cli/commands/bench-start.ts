// SPDX-License-Identifier: Apache-2.0
// czone bench start, czone bench zygote-cycles: what zygotes are worth, and whether they
// leak, on a node that is started for it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { NodeClient } from '../../node-api/client.js';
import { CzoneError } from '../../protocol/errors.js';
import { action, type Run } from '../command.js';
import { readCount } from '../read-options.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const FUNCTIONS = fileURLToPath(new URL('../../../../vm-images/functions', import.meta.url));
/** For the guest's reports of free pages and its daemon's own reclaim. */
const SETTLE_MS = 8_000;
const LIVE_MAX = 190;

interface StartOptions {
  readonly functions: string;
  readonly counts: string;
  readonly samples: string;
  readonly atOnce: string;
  readonly footprint: string;
  readonly requests: string;
  readonly kernel?: string;
}

interface CycleOptions {
  readonly function: string;
  readonly cycles: string;
  readonly atOnce: string;
  readonly kernel?: string;
}

export function benchStart(group: Command): void {
  group
    .command('start')
    .summary('measure starts by zygote and by crun')
    .description(
      'Starts a node of its own and measures, by zygote and by crun in turns, how long a\n' +
        'container takes to its first right response, beside so many live ones and many at\n' +
        'once; and what each container of a zygote takes of the host.',
    )
    .option('--functions <ids>', 'with commas between', 'html,json,image,linalg,compress')
    .option('--counts <n>', 'live containers, with commas between', '1,8,32,64')
    .option('--samples <n>', 'starts of each way at each count', '5')
    .option('--at-once <n>', 'starts side by side; 0: none', '16')
    .option('--footprint <n>', 'containers whose bytes are counted; 0: none', '32')
    .option('--requests <n>', 'to each of them, before the second count', '200')
    .option('--kernel <path>', 'a guest kernel instead of the built one')
    .option('--json', 'print one JSON object')
    .action(action((run, options: StartOptions) => start(run, options)));
  group
    .command('zygote-cycles')
    .summary('fork and stop containers by the hundred')
    .description('Forks and stops containers of one function, and tells what was left behind.')
    .option('--function <id>', 'of which', 'html')
    .option('--cycles <n>', 'how many', '1000')
    .option('--at-once <n>', 'side by side', '4')
    .option('--kernel <path>', 'a guest kernel instead of the built one')
    .option('--json', 'print one JSON object')
    .action(action((run, options: CycleOptions) => cycles(run, options)));
}

async function start(run: Run, options: StartOptions): Promise<undefined> {
  const { measureStarts } = await import('../../bench/starts.js');
  const count = (name: string, text: string, min: number) => readCount(name, text, min, LIVE_MAX);
  const plan = {
    functions: options.functions.split(','),
    counts: options.counts.split(',').map((text) => count('--counts', text, 1)),
    samples: readCount('--samples', options.samples, 1, 1000),
    atOnce: count('--at-once', options.atOnce, 0),
    footprintOf: count('--footprint', options.footprint, 0),
    requests: readCount('--requests', options.requests, 1, 100_000),
  };
  await withNode(run, options.kernel, async (client) => {
    const starts = await measureStarts({ client, ...plan, ...(await surroundings(run)) });
    await run.output.result(starts, async () => {
      const { table } = await import('../table.js');
      const { START_HEAD, startRows } = await import('../../bench/starts-table.js');
      return table(START_HEAD, startRows(starts));
    });
  });
}

async function cycles(run: Run, options: CycleOptions): Promise<undefined> {
  const { runCycles } = await import('../../bench/cycles.js');
  const plan = {
    functionId: options.function,
    cycles: readCount('--cycles', options.cycles, 1, 1_000_000),
    atOnce: readCount('--at-once', options.atOnce, 1, 64),
  };
  await withNode(run, options.kernel, async (client) => {
    const result = await runCycles({ client, ...plan, ...(await surroundings(run)) });
    await run.output.result(result, async () => {
      const { table } = await import('../table.js');
      const { cycleRows } = await import('../../bench/starts-table.js');
      return table(['WHAT', 'MEASURED'], cycleRows(result));
    });
  });
}

/** A small document of the function's own examples is posted, whose answer stands there. */
async function surroundings(run: Run) {
  const { readExamples } = await import('../../demo/examples.js');
  const { sendExample } = await import('../../demo/requests.js');
  return {
    say: (line: string) => run.output.note(line),
    settle: () => delay(SETTLE_MS, undefined, { signal: run.signal }),
    ask: async (functionId: string, endpoint: string) => {
      const examples = await readExamples(FUNCTIONS, functionId);
      const example = examples.find(
        ({ request, response }) => request.method === 'POST' && response.status === 200,
      );
      if (example === undefined) {
        throw new CzoneError('INTERNAL', `${functionId} has no example that is posted`);
      }
      return sendExample(endpoint, example, run.signal);
    },
  };
}

async function withNode(
  run: Run,
  kernel: string | undefined,
  work: (client: NodeClient) => Promise<void>,
): Promise<void> {
  const { NodeProcess } = await import('../../demo/node-process.js');
  const runDir = await mkdtemp(join(tmpdir(), 'czone-bench-'));
  const node = await NodeProcess.start([MAIN], {
    runDir,
    logPath: join(runDir, 'node.log'),
    args: ['--region', '16GiB', '--budget', '32GiB', ...(kernel ? ['--kernel', kernel] : [])],
    signal: run.signal,
  });
  try {
    await work(node.client);
  } finally {
    await node.end();
    await rm(runDir, { recursive: true, force: true });
  }
}
