// SPDX-License-Identifier: Apache-2.0
// Gives back, once, what the daemon's start has touched and its idle life does not
// need: mostly file pages of Node's own program. The first call thereafter is slower.
import { writeFile } from 'node:fs/promises';

const QUIET_MS = 3000;
/** More than the daemon has: as much as can be taken. */
const RECLAIMED_BYTES = 256 * 1024 * 1024;

export class StartReclaim {
  readonly #path: string;
  #timer: NodeJS.Timeout | null = null;
  #done = false;

  /** `path`: memory.reclaim of the daemon's own cgroup. */
  constructor(path: string) {
    this.#path = path;
  }

  /** To be called after each call that was answered; acts when none came for a while. */
  postpone(): void {
    if (this.#done) return;
    if (this.#timer) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#done = true;
      this.#timer = null;
      // EAGAIN: not as much was there. ENOENT: a kernel without it.
      writeFile(this.#path, String(RECLAIMED_BYTES), { flag: 'r+' }).catch(() => {});
    }, QUIET_MS);
  }
}
