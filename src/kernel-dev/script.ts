// SPDX-License-Identifier: Apache-2.0
// Runs vm-images/kernel-dev.sh. One at a time a cache directory: two builds of
// one tree would spoil each other.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { logDir } from '../artifacts/cache.js';
import { CHECKOUT } from '../artifacts/ensure.js';
import { takeLock } from '../artifacts/lock.js';
import type { Progress } from '../artifacts/progress.js';
import { runScript } from '../artifacts/run-script.js';
import { CzoneError } from '../protocol/errors.js';
import { lockFileOf } from './places.js';

export interface Work {
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** `what`: for progress and messages. FAILED_PRECONDITION with what the script said. */
export async function runDevScript(
  work: Work,
  what: string,
  args: readonly string[],
): Promise<void> {
  await mkdir(logDir(work.cacheDir), { recursive: true });
  const waiting = 'wait for another process that builds a kernel';
  const lock = await takeLock(
    lockFileOf(work.cacheDir),
    () => work.onProgress({ artifact: what, done: 0, total: 1, what: waiting }),
    work.signal,
  );
  try {
    const end = await runScript({
      command: [join(CHECKOUT, 'vm-images/kernel-dev.sh'), ...args],
      environment: { ...process.env, LC_ALL: 'C', CZONE_CACHE_DIR: work.cacheDir },
      logFile: join(logDir(work.cacheDir), 'kernel-dev.log'),
      signal: work.signal,
      onProgress: (progress) => work.onProgress({ artifact: what, ...progress }),
    });
    if (work.signal.aborted) throw new CzoneError('ABORTED', `${what}: interrupted`);
    if (end.exitCode !== 0) {
      const how = end.signalName ?? `status ${end.exitCode}`;
      const lines = end.lastLines.map((line) => `\n  ${line}`).join('');
      throw new CzoneError(
        'FAILED_PRECONDITION',
        `${what} failed (${how}) at '${end.step ?? 'start'}':${lines}`,
      );
    }
  } finally {
    await lock.release();
  }
}
