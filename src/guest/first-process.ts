// SPDX-License-Identifier: Apache-2.0
// A container's first process: how its end is noticed, and how it is signalled.
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestAddon, WaitResult } from './native.js';
import { readKeptExit, readStartTime } from './process.js';

export interface FirstProcess {
  /** 0: it has ended before anybody could see it. */
  readonly pid: number;
  readonly startTime: string | null;
  readonly ended: Promise<WaitResult>;
}

export const STATUS_LOST: WaitResult = { exitCode: null, signal: null };
const KEPT_EXIT_WAIT_MS = 1000;
const KEPT_EXIT_POLL_MS = 20;

/** Fulfilled when it has ended; reaps what is this daemon's. */
export function watchProcess(addon: GuestAddon, pid: number): Promise<WaitResult> {
  try {
    return addon.waitPidfd(addon.pidfdOpen(pid));
  } catch {
    return Promise.resolve(STATUS_LOST);
  }
}

/** What the guest's first process has noted, when it and not this daemon was the parent. */
export async function keptStatus(
  exitsDirectory: string,
  { pid, startTime }: { readonly pid: number; readonly startTime: string },
  result: WaitResult,
): Promise<WaitResult> {
  if (result.exitCode !== null || result.signal !== null) return result;
  for (let waitedMs = 0; waitedMs < KEPT_EXIT_WAIT_MS; waitedMs += KEPT_EXIT_POLL_MS) {
    const kept = await readKeptExit(exitsDirectory, pid, startTime);
    if (kept) return kept;
    await sleep(KEPT_EXIT_POLL_MS);
  }
  return STATUS_LOST;
}

/** False when the process is gone. The start time guards against a reused pid. */
export async function signalProcess(
  procRoot: string,
  known: FirstProcess | null,
  name: NodeJS.Signals,
): Promise<boolean> {
  if (known === null || known.startTime === null) return false;
  if ((await readStartTime(procRoot, known.pid)) !== known.startTime) return false;
  try {
    return process.kill(known.pid, name);
  } catch {
    return false;
  }
}
