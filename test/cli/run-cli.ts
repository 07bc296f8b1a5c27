// SPDX-License-Identifier: Apache-2.0
// The compiled command line in a process of its own, and a fake node for it.
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { type Served, serve } from '../node-api/serve.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cli extends Served {
  /** Runs a command against the fake node. */
  czone(...words: string[]): Promise<Ended>;
}

export async function cli(t: Test): Promise<Cli> {
  const served = await serve(t);
  const runDir = dirname(served.socketPath);
  return { ...served, czone: (...words) => run(runDir, words).ended };
}

/** A command on a run directory; the process can be signalled. */
export function run(
  runDir: string,
  words: readonly string[],
): { process: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { PATH: process.env['PATH'], HOME: runDir, CZONE_RUN_DIR: runDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, ended };
}
