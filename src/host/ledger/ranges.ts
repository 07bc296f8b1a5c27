// SPDX-License-Identifier: Apache-2.0
// Which blocks of a region are free: extents in order, best fit. Pure.

export interface Extent {
  readonly start: number;
  readonly length: number;
}

/**
 * Free extents of [0, blockCount), in order, never empty and never touching.
 * Best fit, lowest address first, keeps large extents whole for large zones.
 */
export class FreeRanges {
  readonly blockCount: number;
  #free: Extent[];

  constructor(blockCount: number) {
    if (!Number.isInteger(blockCount) || blockCount < 1) {
      throw new RangeError(`a region needs at least one block, not ${blockCount}`);
    }
    this.blockCount = blockCount;
    this.#free = [{ start: 0, length: blockCount }];
  }

  /** The first block of `length` free ones, or null. */
  allocate(length: number): number | null {
    if (!Number.isInteger(length) || length < 1) {
      throw new RangeError(`a range needs at least one block, not ${length}`);
    }
    let best = -1;
    for (const [index, extent] of this.#free.entries()) {
      if (extent.length < length) continue;
      const other = this.#free[best];
      if (other === undefined || extent.length < other.length) best = index;
    }
    const extent = this.#free[best];
    if (extent === undefined) return null;
    if (extent.length === length) this.#free.splice(best, 1);
    else {
      this.#free[best] = { start: extent.start + length, length: extent.length - length };
    }
    return extent.start;
  }

  /** Gives a range back. Throws when any block of it is free already. */
  free(start: number, length: number): void {
    const end = start + length;
    if (start < 0 || length < 1 || end > this.blockCount) {
      throw new RangeError(`blocks ${start}+${length} lie outside a region of ${this.blockCount}`);
    }
    let index = this.#free.findIndex((extent) => extent.start > start);
    if (index === -1) index = this.#free.length;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    if (
      (before !== undefined && before.start + before.length > start) ||
      (after !== undefined && after.start < end)
    ) {
      throw new RangeError(`blocks ${start}+${length} are free already`);
    }
    let merged: Extent = { start, length };
    let from = index;
    let removed = 0;
    if (before !== undefined && before.start + before.length === start) {
      merged = { start: before.start, length: before.length + merged.length };
      from -= 1;
      removed += 1;
    }
    if (after !== undefined && after.start === end) {
      merged = { start: merged.start, length: merged.length + after.length };
      removed += 1;
    }
    this.#free.splice(from, removed, merged);
  }

  get extents(): readonly Extent[] {
    return this.#free;
  }

  get freeBlocks(): number {
    return this.#free.reduce((sum, extent) => sum + extent.length, 0);
  }

  get largestBlocks(): number {
    return this.#free.reduce((largest, extent) => Math.max(largest, extent.length), 0);
  }
}
