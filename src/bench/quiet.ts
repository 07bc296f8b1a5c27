// SPDX-License-Identifier: Apache-2.0
// Times are worth little while the machine has other work; what was running just now, a
// build or the question before, shows in the load for a minute or two.
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** Processes that ran or were ready to, over the last minute: at most this is quiet. */
export const BUSY_LOAD = 0.7;
/** A machine that is busy with something else does not get quiet. */
const WAIT_MAX_MS = 5 * 60_000;
const POLL_MS = 5_000;

export interface QuietParts {
  readonly load: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
  readonly say: (line: string) => void;
}

export function quietParts(say: (line: string) => void, signal: AbortSignal): QuietParts {
  return {
    load: () => os.loadavg()[0] ?? 0,
    wait: (ms) => delay(ms, undefined, { signal }),
    say,
  };
}

/** Waits at most five minutes, and answers with the load then. */
export async function waitUntilQuiet({ load, wait, say }: QuietParts): Promise<number> {
  let now = load();
  if (now > BUSY_LOAD) say(`waiting for the machine to be quiet (load ${now.toFixed(2)})`);
  for (let waitedMs = 0; now > BUSY_LOAD && waitedMs < WAIT_MAX_MS; waitedMs += POLL_MS) {
    await wait(POLL_MS);
    now = load();
  }
  return now;
}
