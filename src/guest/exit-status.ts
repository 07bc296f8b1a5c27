// SPDX-License-Identifier: Apache-2.0
// How a process ended: from waiting for it, or, where it ended while no daemon
// lived, from what the guest's first process has kept of it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WaitResult } from './native.js';

const POLL_MS = 20;
const PATIENCE_MS = 1000;
const SIGNAL_MASK = 0x7f;

/** The record of the first process (vm-images/init): `<start time> <wait status>`. */
export function parseKeptExit(text: string, startTime: string): WaitResult | null {
  const match = /^(\d+) (\d+)\n?$/.exec(text);
  if (match?.[1] !== startTime) return null;
  const status = Number(match[2]);
  const signal = status & SIGNAL_MASK;
  return signal === 0
    ? { exitCode: (status >> 8) & 0xff, signal: null }
    : { exitCode: null, signal };
}

/** The status of a process that was not our child; null where nobody knows it. */
export async function readKeptExit(
  exitsRoot: string,
  pid: number,
  startTime: string,
): Promise<WaitResult | null> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const text = await readFile(join(exitsRoot, `${pid}`), 'utf8').catch(() => '');
    const kept = parseKeptExit(text, startTime);
    if (kept !== null || performance.now() > deadline) return kept;
    await sleep(POLL_MS);
  }
}
