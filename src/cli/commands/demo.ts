// SPDX-License-Identifier: Apache-2.0
// czone demo: a node of its own, two tenants, real requests, and a report.
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { buildProgress } from '../build-progress.js';
import { fail } from '../command.js';
import { EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED } from '../exit-codes.js';
import { isNeeded } from '../needed-artifacts.js';
import { Output } from '../output.js';

interface Options {
  readonly json: string;
  readonly html: string;
  readonly runDir?: string;
}

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const FUNCTIONS = fileURLToPath(new URL('../../../../vm-images/functions', import.meta.url));
const INTERRUPTS = {
  SIGINT: EXIT_INTERRUPTED,
  SIGTERM: EXIT_TERMINATED,
  SIGHUP: EXIT_TERMINATED,
} as const;

export function demo(program: Command): void {
  program
    .command('demo')
    .summary('show the whole system at work, and check it')
    .description(
      'Starts a node of its own; two tenants place ten containers of six functions; requests ' +
        'are sent and their answers checked; memory is taken back from live containers, some ' +
        'are stopped, one is killed from inside, one overruns its zone. Ends with a report; ' +
        'status 0 only if every answer was right and every byte of every ended zone came back.',
    )
    .option('--json <file>', 'where to write the report as JSON', 'czone-report/demo.json')
    .option('--html <file>', 'where to write the report as a page', 'czone-report/demo.html')
    .option('--run-dir <dir>', "the node's directory (default: a temporary one)")
    .action(async (options: Options) => {
      process.exitCode = await run(options);
    });
}

async function run(options: Options): Promise<number> {
  const output = new Output(false);
  const controller = new AbortController();
  let interruptedWith: number | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    if (interruptedWith === null) output.note('czone: ending the demo’s node …');
    interruptedWith = INTERRUPTS[signal as keyof typeof INTERRUPTS];
    controller.abort(new CzoneError('ABORTED', 'the demo was interrupted; its node has ended'));
  };
  for (const signal of Object.keys(INTERRUPTS)) process.on(signal, onSignal);
  try {
    return await play(options, output, controller.signal);
  } catch (error) {
    return fail(output, error, interruptedWith);
  } finally {
    for (const signal of Object.keys(INTERRUPTS)) process.off(signal, onSignal);
  }
}

/** All that a node needs, with progress; the first time this takes long. */
async function buildArtifacts(output: Output, signal: AbortSignal): Promise<void> {
  const { listArtifacts } = await import('../../artifacts/list.js');
  const { ensureArtifacts } = await import('../../artifacts/ensure-all.js');
  const missing = (await listArtifacts())
    .filter(({ name, present }) => !present && isNeeded(name))
    .map(({ name }) => name);
  if (missing.length === 0) return;
  output.note(`czone: building ${missing.join(', ')}`);
  await ensureArtifacts(missing, {
    onProgress: buildProgress((line) => output.note(line)),
    signal,
  });
}

async function play(options: Options, output: Output, signal: AbortSignal): Promise<number> {
  const { runDemo } = await import('../../demo/run-demo.js');
  const { demoReport } = await import('../../demo/report.js');
  const { terminalReport } = await import('../../demo/terminal-report.js');
  const { writeReport } = await import('../../demo/write-report.js');
  const paths = { json: resolve(options.json), html: resolve(options.html) };
  const logPath = join(dirname(paths.json), 'demo-node.log');
  await mkdir(dirname(logPath), { recursive: true });
  await buildArtifacts(output, signal);
  const recording = await runDemo({
    command: [MAIN],
    nodeArgs: [],
    runDir: options.runDir ? resolve(options.runDir) : await mkdtemp(join(tmpdir(), 'czone-demo-')),
    logPath,
    functionsFolder: FUNCTIONS,
    say: (line) => process.stdout.write(`${line}\n`),
    signal,
  });
  const report = demoReport(recording);
  await writeReport(report, paths);
  await output.result({}, () => terminalReport(report));
  output.note(`Report: ${paths.html}\n        ${paths.json}\n        ${logPath}`);
  return report.passed ? EXIT_OK : EXIT_INTERNAL;
}
