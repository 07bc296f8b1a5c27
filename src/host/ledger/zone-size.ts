// SPDX-License-Identifier: Apache-2.0
// How large a zone must be so that a container can use so many bytes of it. Pure.
import { BLOCK_BYTES, roundUp } from '../../protocol/units.js';

/** 64 bytes of struct page for every page of 4 KiB, kept inside the zone. */
const MEMMAP_SHARE = 64;

/** Bytes of the zone whose usable part is at least `memoryBytes`; whole blocks. */
export function zoneBytesFor(memoryBytes: number): number {
  const usableBytes = roundUp(memoryBytes, BLOCK_BYTES);
  let zoneBytes = usableBytes;
  // The memmap describes itself too, so a block more can need a block more.
  for (;;) {
    const wanted = usableBytes + roundUp(zoneBytes / MEMMAP_SHARE, BLOCK_BYTES);
    if (wanted === zoneBytes) return zoneBytes;
    zoneBytes = wanted;
  }
}

/** The most that a container can be given in a region of this size. */
export function largestMemoryBytes(regionBytes: number): number {
  let memoryBytes = regionBytes - roundUp(regionBytes / MEMMAP_SHARE, BLOCK_BYTES);
  while (memoryBytes > 0 && zoneBytesFor(memoryBytes) > regionBytes) memoryBytes -= BLOCK_BYTES;
  return Math.max(memoryBytes, 0);
}
