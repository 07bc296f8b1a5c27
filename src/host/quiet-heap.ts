// SPDX-License-Identifier: Apache-2.0
// Keeps the controller small between its work: a start leaves garbage in V8's heap and
// free pages in the C library's, and an idle process gives them back late, or never.
import type { HeapParts } from '../protocol/heap.js';

/** A collection stops the controller meanwhile: not while calls come one after another. */
const QUIET_MS = 3000;

export class QuietHeap {
  readonly #parts: HeapParts;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: HeapParts) {
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
    }, QUIET_MS);
    this.#timer.unref();
  }
}
