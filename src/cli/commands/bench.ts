// SPDX-License-Identifier: Apache-2.0
// czone bench b1 … b9, czone bench all: asks questions of the design.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import type { BenchFile, Mode } from '../../bench/measurement.js';
import type { Question } from '../../bench/question.js';
import { CzoneError } from '../../protocol/errors.js';
import { action, type Run } from '../command.js';

interface Options {
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly json?: string | boolean;
  readonly out?: string;
}

/** What `czone bench` can ask, for the list of commands; src/bench has the rest. */
const SUMMARIES: Readonly<Record<string, string>> = {
  b1: 'a container is killed: when has the host its memory back?',
  b2: 'does it matter how full the rest of the VM is?',
  b3: 'what comes back of a container that lives and is idle?',
  b4: 'what do neighbours notice while others come and go?',
  b5: 'how long does a container take to its first answer?',
  b6: 'how much of the host do N containers of one function take?',
  b8: 'do zones get slower when there are many of them?',
  b9: 'what do zones cost who allocates memory?',
};

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export function bench(group: Command): void {
  for (const [name, summary] of Object.entries(SUMMARIES)) add(group, name, summary);
  add(group, 'all', 'all questions, one after another');
}

function add(group: Command, name: string, summary: string): void {
  group
    .command(name)
    .summary(summary)
    .description(
      `Measures: ${summary}\nPeers and czone take turns in the same kind of VM on this machine. Without --quick or\n--full it takes minutes.`,
    )
    .option('--quick', 'the least that shows that all of it runs')
    .option('--full', 'everything, several times')
    .option(
      '--json [file]',
      'results to a file, beside those of other questions in it; else to stdout',
    )
    .option('--out <dir>', 'write benchmarks.md and its plots there')
    .action(action((run, options: Options) => ask(run, name, options)));
}

async function ask(run: Run, name: string, options: Options): Promise<undefined> {
  const mode = modeOf(options);
  const path = typeof options.json === 'string' ? resolve(options.json) : null;
  const { ALL_QUESTIONS } = await import('../../bench/questions/all.js');
  const questions = ALL_QUESTIONS.filter((question) => name === 'all' || question.name === name);
  const { ensureArtifacts } = await import('../../artifacts/ensure-all.js');
  const { artifactFor, workOf } = await import('../kernel-options.js');
  const { benchArtifacts, readyMachine } = await import('../../bench/vm/machine.js');
  const { onProgress } = await workOf(run);
  const artifacts = await ensureArtifacts(benchArtifacts(mode), { signal: run.signal, onProgress });
  const ready = await readyMachine(artifacts, run.signal);
  const before = path === null ? null : await readKept(path, ready.facts);
  const { ask: askAll } = await import('../../bench/run.js');
  const file = await askAll({
    questions,
    context: {
      ...ready,
      mode,
      signal: run.signal,
      say: (line) => run.output.note(`czone: ${line}`),
      ensure: (artifact) => artifactFor(run, artifact),
      main: MAIN,
    },
    commit: await commitOf(),
    before: before?.results ?? [],
    keep: async (results) => {
      if (path !== null) await writeFile(path, `${JSON.stringify(results, null, 1)}\n`);
    },
  });
  if (options.out !== undefined) {
    const { writeReport } = await import('../../bench/report/write.js');
    await writeReport(file, ALL_QUESTIONS, resolve(options.out));
  }
  await run.output.result(file, () => text(file, questions));
}

function modeOf({ quick, full }: Options): Mode {
  if (quick === true && full === true) {
    throw new CzoneError('INVALID_ARGUMENT', '--quick and --full exclude each other', {
      field: '--quick',
    });
  }
  return quick === true ? 'quick' : full === true ? 'full' : 'usual';
}

/** null: there is no such file yet. INVALID_ARGUMENT: it is of another machine. */
async function readKept(path: string, machine: BenchFile['machine']): Promise<BenchFile | null> {
  const there = await readFile(path, 'utf8').catch(() => null);
  if (there === null) return null;
  const { readBenchFile } = await import('../../bench/files.js');
  const { otherMachine } = await import('../../bench/measurement.js');
  const before = await readBenchFile(path);
  const difference = otherMachine(before.machine, machine);
  if (difference === null) return before;
  throw new CzoneError(
    'INVALID_ARGUMENT',
    `${path} has results of another machine (${difference}): name another file`,
    { field: '--json' },
  );
}

/** null: no git repository. `+`: with changes. */
async function commitOf(): Promise<string | null> {
  const { CHECKOUT } = await import('../../artifacts/ensure.js');
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', ['-C', CHECKOUT, ...args])).stdout.trim();
  try {
    const head = await git('rev-parse', '--short=12', 'HEAD');
    return (await git('status', '--porcelain', '-uno')) === '' ? head : `${head}+`;
  } catch {
    return null;
  }
}

async function text(file: BenchFile, questions: readonly Question[]): Promise<string> {
  const { table } = await import('../table.js');
  const parts: string[] = [];
  for (const question of questions) {
    const result = file.results.find((item) => item.question === question.name);
    if (result === undefined) continue;
    parts.push(question.title);
    for (const { title, head, rows } of question.tables(result.measurements)) {
      parts.push(`${title}\n${table(head, rows)}`);
    }
    const findings = question
      .findings(result.measurements)
      .map(({ what, ours, bar, met }) => [what, ours, bar, met === null ? '' : met ? 'yes' : 'NO']);
    if (findings.length > 0) parts.push(table(['BAR', '>CZONE', '>BAR', 'MET'], findings));
  }
  return parts.join('\n\n');
}
