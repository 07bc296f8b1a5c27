// SPDX-License-Identifier: Apache-2.0
// How large a zone must be so that a container can use so many bytes of it. Pure.
import { BLOCK_BYTES, roundUp } from '../../protocol/units.js';

/** 64 bytes of struct page for every page of 4 KiB, kept inside the zone. */
const MEMMAP_SHARE = 64;
/** linux/virtio_czone.h: VIRTIO_CZONE_ZONE_SIZE_MIN. */
export const ZONE_BYTES_MIN = 2 * BLOCK_BYTES;

/** Bytes of the zone whose usable part is at least `memoryBytes`; whole blocks. */
export function zoneBytesFor(memoryBytes: number): number {
  const usableBytes = roundUp(memoryBytes, BLOCK_BYTES);
  let zoneBytes = usableBytes;
  // The memmap describes itself too, so a block more can need a block more.
  for (;;) {
    const wanted = usableBytes + memmapBytes(zoneBytes);
    if (wanted === zoneBytes) return zoneBytes;
    zoneBytes = wanted;
  }
}

/** Addresses at the start of a zone that are set aside for the memmap of its limit. */
export function memmapBytes(limitBytes: number): number {
  return roundUp(limitBytes / MEMMAP_SHARE, BLOCK_BYTES);
}

/**
 * What a zone with this limit is plugged with so that its container can use `firstBytes`
 * at once; whole blocks, no more than the limit.
 */
export function firstZoneBytes(limitBytes: number, firstBytes: number): number {
  const wanted = memmapBytes(limitBytes) + roundUp(firstBytes, BLOCK_BYTES);
  return Math.min(Math.max(wanted, ZONE_BYTES_MIN), limitBytes);
}

/** The most that a container can be given in a region of this size. */
export function largestMemoryBytes(regionBytes: number): number {
  let memoryBytes = regionBytes - memmapBytes(regionBytes);
  while (memoryBytes > 0 && zoneBytesFor(memoryBytes) > regionBytes) memoryBytes -= BLOCK_BYTES;
  return Math.max(memoryBytes, 0);
}
