// SPDX-License-Identifier: Apache-2.0
// How many pages of files an idle process can do without, found by trying: a quarter is
// taken; where most of it came back by the next time, all that is there then is needed.

export interface FilePages {
  readonly bytes: number;
  /** Mapped into a process: of the others, most were read once or ahead. */
  readonly mappedBytes: number;
  /** Taken and needed again, ever since. */
  readonly refaultedBytes: number;
}

const PART = 0.25;
/** Less came back: it was read ahead, or by what happens now and then. */
const REFAULTED_PART = 0.5;

export class SparePages {
  #neededBytes = 0;
  #takenBytes = 0;
  #refaultedBytes = 0;

  /** Bytes to ask the kernel for; 0: what is there is needed. */
  spareBytes({ bytes, refaultedBytes }: FilePages): number {
    const cameBack = refaultedBytes - this.#refaultedBytes;
    if (this.#takenBytes > 0 && cameBack > this.#takenBytes * REFAULTED_PART) {
      this.#neededBytes = bytes;
    }
    this.#takenBytes = 0;
    return bytes > this.#neededBytes * (1 + PART) ? Math.floor(bytes * PART) : 0;
  }

  took(before: FilePages, after: FilePages): void {
    this.#takenBytes = Math.max(before.bytes - after.bytes, 0);
    this.#refaultedBytes = after.refaultedBytes;
  }
}
