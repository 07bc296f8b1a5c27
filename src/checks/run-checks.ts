// SPDX-License-Identifier: Apache-2.0
// Runs checks side by side and tells each result as it comes.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Check } from './checks.js';

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  readonly output: string;
  readonly durationMs: number;
}

function runCommand(root: string, command: readonly [string, ...string[]]) {
  const [program, ...args] = command;
  return new Promise<{ passed: boolean; output: string }>((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
        NO_COLOR: '1',
      },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', (error) =>
      resolve({
        passed: false,
        output: `${program} could not be run: ${error.message}. ./czone installs it`,
      }),
    );
    child.on('close', (code) => resolve({ passed: code === 0, output }));
  });
}

async function runCheck(root: string, check: Check): Promise<CheckResult> {
  const startedMs = performance.now();
  let outcome: { passed: boolean; output: string };
  if ('command' in check) {
    outcome = await runCommand(root, check.command);
  } else {
    const problems = check.problems();
    outcome = { passed: problems.length === 0, output: problems.join('\n') };
  }
  return { name: check.name, ...outcome, durationMs: performance.now() - startedMs };
}

export async function runChecks(
  root: string,
  checks: readonly Check[],
  concurrency: number,
  onResult: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const queue = [...checks];
  const worker = async () => {
    for (let check = queue.shift(); check; check = queue.shift()) {
      const result = await runCheck(root, check);
      results.push(result);
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}
