// SPDX-License-Identifier: Apache-2.0
// A lock that ends with its holder, however that ends. Node has no flock, so
// flock(1) holds it: until the pipe to it closes, and the kernel closes that.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CzoneError, messageOf } from '../protocol/errors.js';

export interface Lock {
  release(): Promise<void>;
}

const EXIT_BUSY = 75;

/** null: another process holds it. */
export async function tryLock(file: string): Promise<Lock | null> {
  return hold(file, ['--nonblock', '--conflict-exit-code', String(EXIT_BUSY)], null);
}

/** Calls `onWait` once when another process holds it, then waits for that to end. */
export async function takeLock(
  file: string,
  onWait: () => void,
  signal: AbortSignal,
): Promise<Lock> {
  const free = await tryLock(file);
  if (free !== null) return free;
  onWait();
  const lock = await hold(file, [], signal);
  if (lock === null) throw new CzoneError('INTERNAL', `${file}: flock gave up waiting`);
  return lock;
}

async function hold(
  file: string,
  options: readonly string[],
  signal: AbortSignal | null,
): Promise<Lock | null> {
  signal?.throwIfAborted();
  await mkdir(dirname(file), { recursive: true });
  // A session of its own: an interrupt from the terminal must not end the lock
  // before the build that it guards.
  const holder = spawn('flock', [...options, file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let complaint = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(0, 500);
  });
  holder.stdin.on('error', () => {});
  const ended = once(holder, 'close') as Promise<[number | null]>;
  // Handled where it matters, below; here against an early rejection.
  ended.catch(() => {});
  const stop = () => process.kill(-(holder.pid ?? 0), 'SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const first = await Promise.race([once(holder.stdout, 'data').then(() => 'held'), ended]);
    if (first === 'held') {
      return {
        release: async () => {
          holder.stdin.end();
          await ended;
        },
      };
    }
    signal?.throwIfAborted();
    if (first[0] === EXIT_BUSY) return null;
    throw new CzoneError('INTERNAL', `${file}: cannot be locked: ${complaint.trim() || first[0]}`);
  } catch (error) {
    if (error instanceof CzoneError || signal?.aborted) throw error;
    throw new CzoneError('FAILED_PRECONDITION', `flock cannot be run: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
