// SPDX-License-Identifier: Apache-2.0
// Whether a zone that has given back its free pages is made smaller, and how small.
// Pure: state in, decision out.
//
// The host knows from its own count how much of the zone is in use and how much of its
// end is empty. An empty end costs the guest nothing to let go; for more it has to move
// pages, which is done only when somebody asked for the memory. Room stays, so that the
// container does not ask for it again at once.
import { BLOCK_BYTES, MIB, roundUp } from '../../protocol/units.js';

/** Room that stays: a quarter of what is in use, at least so much. */
export const SHRINK_ROOM_BYTES = 8 * MIB;
const ROOM_SHARE = 4;
/** Less is not worth a command. */
export const SHRINK_MIN_BYTES = 4 * MIB;

export interface ShrinkQuestion {
  readonly sizeBytes: number;
  /** Addresses at its start that hold its memmap, used or not. */
  readonly memmapBytes: number;
  /** What a new zone with this limit is plugged with. */
  readonly firstBytes: number;
  /** Allocated bytes of the zone on the host, after its free pages were given back. */
  readonly residentBytes: number;
  /** Of these none in the last so many bytes of the zone. */
  readonly emptyEndBytes: number;
  readonly mayMovePages: boolean;
}

/** The size to ask for; null: it stays as it is. */
export function decideShrink(question: ShrinkQuestion): number | null {
  const { sizeBytes, residentBytes } = question;
  const roomBytes = Math.max(SHRINK_ROOM_BYTES, residentBytes / ROOM_SHARE);
  const usedBytes = roundUp(question.memmapBytes + residentBytes + roomBytes, BLOCK_BYTES);
  let target = Math.max(usedBytes, question.firstBytes);
  if (!question.mayMovePages) {
    const emptyBytes = Math.floor(question.emptyEndBytes / BLOCK_BYTES) * BLOCK_BYTES;
    target = Math.max(target, sizeBytes - emptyBytes);
  }
  return sizeBytes - target >= SHRINK_MIN_BYTES ? target : null;
}

/**
 * How many bytes at the end of a zone are empty, whole blocks. `residentBytes` counts
 * what is allocated from an offset to the end, so it falls with the offset.
 */
export function emptyEndBytes(
  sizeBytes: number,
  residentBytes: (fromBytes: number) => number,
): number {
  let empty = sizeBytes / BLOCK_BYTES;
  let low = 0;
  // The first block from which on nothing is allocated.
  while (low < empty) {
    const middle = Math.floor((low + empty) / 2);
    if (residentBytes(middle * BLOCK_BYTES) === 0) empty = middle;
    else low = middle + 1;
  }
  return sizeBytes - empty * BLOCK_BYTES;
}
