// SPDX-License-Identifier: Apache-2.0
// How builds tell how far they are: a line when something new begins, and now and
// then while it goes on; what is over within a second is not told.
import type { Progress } from '../artifacts/progress.js';

const QUICK_MS = 1_000;
const AGAIN_MS = 10_000;

interface Told {
  readonly what: string;
  readonly atMs: number;
}

export function buildProgress(
  say: (line: string) => void,
  nowMs: () => number = () => performance.now(),
): (progress: Progress) => void {
  /** By artifact: several are built side by side. */
  const told = new Map<string, Told>();
  return ({ artifact, done, total, what }) => {
    const now = nowMs();
    const last = told.get(artifact);
    const pauseMs = last?.what === what ? AGAIN_MS : QUICK_MS;
    if (last !== undefined && now - last.atMs < pauseMs) return;
    told.set(artifact, { what, atMs: now });
    const percent = String(Math.floor((done * 100) / total)).padStart(3);
    say(`czone: ${artifact.padEnd(18)} ${percent} % ${what}`);
  };
}
