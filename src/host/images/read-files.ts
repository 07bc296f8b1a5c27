// SPDX-License-Identifier: Apache-2.0
// The files that an answer was read from, so that the answer can be kept while none of
// them has changed.
import type { Stats } from 'node:fs';
import fs from 'node:fs/promises';

/** One that was written so shortly before may be written again within the clock's tick. */
const SETTLED_MS = 100;

/** Differs when the file was written or replaced. */
export function stampOf({ size, mtimeMs, ctimeMs, ino }: Stats): string {
  return `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
}

export class ReadFiles {
  /** What each was like before it was read; null: its answer must not be kept. */
  readonly #stamps = new Map<string, string | null>();

  /** To be called before the file is read. null: there is none. */
  async stat(file: string): Promise<Stats | null> {
    const stat = await fs.stat(file).catch(() => null);
    const settled = stat !== null && Date.now() - stat.ctimeMs > SETTLED_MS;
    this.#stamps.set(file, settled ? stampOf(stat) : null);
    return stat;
  }

  async unchanged(): Promise<boolean> {
    const same = await Promise.all(
      [...this.#stamps].map(async ([file, stamp]) => {
        if (stamp === null) return false;
        const stat = await fs.stat(file).catch(() => null);
        return stat !== null && stampOf(stat) === stamp;
      }),
    );
    return same.every(Boolean);
  }
}
