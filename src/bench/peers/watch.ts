// SPDX-License-Identifier: Apache-2.0
// Watching bytes come back to the host, where nobody says when they are there.
import { setTimeout as delay } from 'node:timers/promises';
import type { Returned } from './peer.js';

export interface Watched {
  /** When the request was made, performance.now(). */
  readonly startMs: number;
  readonly allocatedBytes: () => number;
  readonly goalBytes: number;
  /** The device says that it has done all that it was asked for; null: it never says. */
  readonly finished: (() => Promise<boolean>) | null;
  /** No byte came for so long: no more will. */
  readonly stallMs: number;
}

const POLL_MS = 1;
/** A running guest may touch a few pages of its own meanwhile. */
const SLACK_BYTES = 512 * 1024;
/** Less is a trickle of the guest's own. */
const PROGRESS_BYTES = 256 * 1024;

/** Ends when the goal is reached, or finished, or nothing comes any more. */
export async function watchReturn(watched: Watched): Promise<Returned> {
  const first = watched.allocatedBytes();
  const end = (ms: number) => ({ ms, returnedBytes: first - watched.allocatedBytes() });
  let lowest = first;
  let lowestMs = performance.now();
  for (;;) {
    const now = performance.now();
    const bytes = watched.allocatedBytes();
    if (bytes <= watched.goalBytes + SLACK_BYTES) {
      return end(now - watched.startMs);
    }
    if (bytes < lowest - PROGRESS_BYTES) {
      lowest = bytes;
      lowestMs = now;
    }
    if (watched.finished !== null && (await watched.finished())) {
      return end(performance.now() - watched.startMs);
    }
    if (now - lowestMs > watched.stallMs) {
      return end(Math.max(lowestMs - watched.startMs, 0));
    }
    await delay(POLL_MS);
  }
}
