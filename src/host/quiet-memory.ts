// SPDX-License-Identifier: Apache-2.0
// Keeps the controller and its VMMs small between their work. A start leaves garbage in
// V8's heap and free pages in the C library's, and an idle process gives them back late,
// or never. Of a program most is for its own start: it goes once, what is needed again
// comes back from the disk and stays.
import type { HeapParts } from '../protocol/heap.js';

/** A collection stops the controller meanwhile: not while calls come one after another. */
const QUIET_MS = 3000;

export interface QuietParts extends HeapParts {
  /** The controller and each VMM whose VM is up. */
  readonly processes: () => readonly number[];
  readonly pageOutProgram: (pid: number) => void;
}

export class QuietMemory {
  readonly #parts: QuietParts;
  #timer: NodeJS.Timeout | null = null;
  #pagedOut: ReadonlySet<number> = new Set();

  constructor(parts: QuietParts) {
    this.#parts = parts;
  }

  /** To be called when something was started or has ended; questions leave little behind. */
  worked(): void {
    if (this.#timer !== null) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#parts.collect();
      this.#parts.trimHeap();
      this.#pageOut();
    }, QUIET_MS);
    this.#timer.unref();
  }

  #pageOut(): void {
    const pids = this.#parts.processes();
    for (const pid of pids) {
      if (!this.#pagedOut.has(pid)) this.#parts.pageOutProgram(pid);
    }
    this.#pagedOut = new Set(pids);
  }
}
