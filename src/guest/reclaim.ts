// SPDX-License-Identifier: Apache-2.0
// Keeps the daemon, and what the kernel keeps for it, as small as their work: after so
// many calls, and when none came for a while. Then it also gives back file pages, mostly
// of Node's own program: once all that its start has touched (the first call thereafter is
// slower), later as many as it was seen to do without.
import { constants, writeFile } from 'node:fs/promises';
import type { HeapParts } from '../protocol/heap.js';
import type { Cgroup } from './cgroup.js';
import { SparePages } from './file-pages.js';

const QUIET_MS = 3000;
/** V8 would let the heap grow by half before it looks; what is spread out then stays so. */
const CALLS_PER_COLLECTION = 32;
/** Each ended container leaves some 3 KiB of names. */
const CALLS_PER_FORGETTING = 512;
/** Unused dentries and inodes. */
const FORGET = '2';
/** More than the daemon has: as much as can be taken. */
const ALL_BYTES = 256 * 1024 * 1024;

export interface ReclaimParts extends HeapParts {
  /** The daemon's own. */
  readonly cgroup: Pick<Cgroup, 'filePages' | 'reclaim'>;
  /**
   * /proc/sys/vm/drop_caches. The names of a cgroup's files, with an inode and a kernfs
   * node each, outlive the cgroup until memory is short: which the host wants back.
   */
  readonly namesPath: string;
  /** Pages of the daemon's program are read one by one from now on, none ahead. */
  readonly readNoneAround: () => void;
}

export class IdleReclaim {
  readonly #parts: ReclaimParts;
  #timer: NodeJS.Timeout | null = null;
  #calls = 0;
  readonly #spare = new SparePages();
  #startedBefore = false;
  #giving = false;

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
  }

  /** To be called after each call that was answered. */
  answered(): void {
    this.#calls += 1;
    if (this.#calls % CALLS_PER_COLLECTION === 0) setImmediate(() => this.#collect());
    if (this.#calls % CALLS_PER_FORGETTING === 0) this.#forgetNames();
    if (this.#timer) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#run();
    }, QUIET_MS);
    this.#timer.unref();
  }

  #run(): void {
    this.#collect();
    this.#forgetNames();
    // Nothing depends on it.
    this.#giveFilePages().catch(() => {});
  }

  async #giveFilePages(): Promise<void> {
    if (this.#giving) return;
    this.#giving = true;
    try {
      const { cgroup } = this.#parts;
      const before = await cgroup.filePages();
      const bytes = this.#startedBefore ? this.#spare.spareBytes(before) : ALL_BYTES;
      // At its start nearly all that is read around a page is needed; later it is not.
      if (!this.#startedBefore) this.#parts.readNoneAround();
      this.#startedBefore = true;
      if (bytes === 0) return;
      await cgroup.reclaim(bytes);
      if (bytes !== ALL_BYTES) this.#spare.took(before, await cgroup.filePages());
    } finally {
      this.#giving = false;
    }
  }

  #forgetNames(): void {
    tell(this.#parts.namesPath, FORGET);
  }

  #collect(): void {
    this.#parts.collect();
    this.#parts.trimHeap();
  }
}

/**
 * Nothing depends on it. ENOENT: a kernel without it. Not even root opens such files for
 * reading.
 */
function tell(path: string, text: string): void {
  writeFile(path, text, { flag: constants.O_WRONLY }).catch(() => {});
}
