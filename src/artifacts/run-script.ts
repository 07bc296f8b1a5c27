// SPDX-License-Identifier: Apache-2.0
// Runs one build script: progress from its output, the rest to a log file, and
// an end to all of it when it is no longer wanted.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { parseProgress } from './progress.js';

export interface ScriptRun {
  readonly command: readonly [script: string, ...args: string[]];
  readonly environment: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** Only when nobody else wants the processors. */
  readonly idle?: boolean;
  readonly onProgress: (progress: NonNullable<ReturnType<typeof parseProgress>>) => void;
}

export interface ScriptEnd {
  readonly exitCode: number | null;
  readonly signalName: NodeJS.Signals | null;
  /** The last progress it made; null: none. */
  readonly step: string | null;
  /** The last lines of what it printed. */
  readonly lastLines: readonly string[];
}

const LAST_LINES = 12;
/** A script ends its own children and removes its work files within this. */
const TERM_GRACE_MS = 15_000;

/** Rejects only when the script cannot be started or its log cannot be written. */
export async function runScript(run: ScriptRun): Promise<ScriptEnd> {
  const [script, ...args] = run.command;
  const log = createWriteStream(run.logFile, { flags: 'w' });
  await new Promise((resolve, reject) => log.once('open', resolve).once('error', reject));
  // Should this process be killed, the script is told, too.
  const command = [...(run.idle === true ? ['chrt', '--idle', '0'] : []), script, ...args];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...command], {
    env: run.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let step: string | null = null;
  const lastLines: string[] = [];
  const keep = (line: string) => {
    log.write(`${line}\n`);
    lastLines.push(line);
    if (lastLines.length > LAST_LINES) lastLines.shift();
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const progress = parseProgress(line);
    if (progress === null) return keep(line);
    if (progress.what !== step) log.write(`-- ${progress.what}\n`);
    step = progress.what;
    run.onProgress(progress);
  });
  createInterface({ input: child.stderr }).on('line', keep);

  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    signalGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), TERM_GRACE_MS);
  };
  run.signal.addEventListener('abort', stop, { once: true });
  if (run.signal.aborted) stop();
  try {
    const [exitCode, signalName] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code, name) => resolve([code, name]));
      },
    );
    return { exitCode, signalName, step, lastLines };
  } finally {
    clearTimeout(killTimer);
    run.signal.removeEventListener('abort', stop);
    log.end();
    await finished(log);
  }
}

function signalGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended by itself.
  }
}
