// SPDX-License-Identifier: Apache-2.0
// czone node stop: ends the node of a run directory, with all of its VMs.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { action, nodeOptions, type Run } from '../command.js';
import { formatSweep } from '../format-sweep.js';
import { readDuration } from '../read-options.js';

const POLL_MS = 50;

interface Options {
  readonly timeout: string;
}

export function nodeStop(node: Command): void {
  nodeOptions(
    node
      .command('stop')
      .summary('end the node of a run directory')
      .description(
        'Ends the node of a run directory with all of its VMs, and waits for that.\n' +
          'Succeeds where none runs; what a dead one left is cleaned up.',
      )
      .option('--timeout <time>', 'wait at most so long', '60s'),
  ).action(
    action(async (run, options: Options) => {
      const timeoutMs = readDuration('--timeout', options.timeout);
      const [{ readNodeRecord }, { runDirPaths }, { processTable }, { sweep }] = await Promise.all([
        import('../../host/state/records.js'),
        import('../../host/state/run-dir.js'),
        import('../../host/state/processes.js'),
        import('../../host/state/sweep.js'),
      ]);
      const record = await readNodeRecord(runDirPaths(run.runDir).nodeRecord);
      const table = processTable();
      const lives = async () =>
        record !== null &&
        record.bootId === (await table.bootId()) &&
        (await table.startTime(record.pid)) === record.startTime;
      if (record === null || !(await lives())) {
        const report = await sweep(run.runDir);
        const told = formatSweep(report);
        await run.output.result({ stopped: null, cleaned: report.found }, () =>
          told === null ? `no node runs at ${run.runDir}` : `no node runs there; ${told}`,
        );
        return;
      }
      process.kill(record.pid, 'SIGTERM');
      await waitUntilGone(run, record.pid, lives, timeoutMs);
      await run.output.result(
        { stopped: { nodeId: record.nodeId, pid: record.pid }, cleaned: false },
        () => `the node with pid ${record.pid} has ended`,
      );
    }),
  );
}

async function waitUntilGone(
  run: Run,
  pid: number,
  lives: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const endAt = performance.now() + timeoutMs;
  while (await lives()) {
    if (performance.now() > endAt) {
      throw new CzoneError(
        'DEADLINE_EXCEEDED',
        `the node with pid ${pid} has not ended in ${timeoutMs} ms; kill -9 ${pid} ends it and its VMs`,
      );
    }
    await delay(POLL_MS, undefined, { signal: run.signal });
  }
}
