// SPDX-License-Identifier: Apache-2.0
// Runs compiled test files under tap and counts what passed.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TapCounts, TapPrinter } from './tap-printer.js';

/**
 * A run without its closing line counts as a failure, and so does one that tap
 * calls failed while its counts say otherwise.
 */
export async function runTap(
  root: string,
  files: readonly string[],
  jobs: number,
  print: (line: string) => void,
): Promise<TapCounts> {
  const printer = new TapPrinter(print, jobs === 1);
  const child = spawn(
    join(root, 'node_modules/.bin/tap'),
    ['run', '--reporter=tap', `--jobs=${jobs}`, ...files],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      print(`tap could not be run: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
  for await (const line of createInterface({ input: child.stdout })) printer.line(line);
  const status = await ended;
  const counts = printer.counts;
  if (counts === null) {
    print(`tap ended with status ${status} and without its closing line`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  if (status !== 0 && counts.failed === 0) {
    print(`tap ended with status ${status} though no test failed`);
    return { ...counts, failed: 1 };
  }
  return counts;
}
