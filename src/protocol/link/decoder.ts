// SPDX-License-Identifier: Apache-2.0
// Finds frames in a byte stream that may hold garbage: whatever proves not to be
// a frame that is wanted is passed over byte by byte, never by its own length, so
// that a stale or forged frame can't swallow a true one.
import {
  type Frame,
  type FrameHeader,
  HEADER_BYTES,
  MAGIC,
  parseHeader,
  payloadMatches,
} from './frame.js';

const EMPTY = Buffer.alloc(0);

export class FrameDecoder {
  #pending: Buffer = EMPTY;
  readonly #wanted: (header: FrameHeader) => boolean;
  readonly #onFrame: (frame: Frame) => void;

  /**
   * `wanted` is asked with each proved header, before its payload is waited for;
   * `onFrame` gets each whole frame that was wanted.
   */
  constructor(wanted: (header: FrameHeader) => boolean, onFrame: (frame: Frame) => void) {
    this.#wanted = wanted;
    this.#onFrame = onFrame;
  }

  /** Bytes that are held since they may become a frame: at most one frame less a byte. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): void {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = EMPTY;
    for (;;) {
      const at = findMagic(bytes);
      bytes = bytes.subarray(at);
      if (bytes.length < HEADER_BYTES) break;
      const header = parseHeader(bytes);
      if (header === null || !this.#wanted(header)) {
        bytes = bytes.subarray(1);
        continue;
      }
      const end = HEADER_BYTES + header.payloadBytes;
      if (bytes.length < end) break;
      const payload = bytes.subarray(HEADER_BYTES, end);
      if (!payloadMatches(header, payload)) {
        bytes = bytes.subarray(1);
        continue;
      }
      bytes = bytes.subarray(end);
      this.#onFrame({ type: header.type, nonce: header.nonce, sequence: header.sequence, payload });
    }
    // A copy, so that a few bytes do not keep a whole chunk alive.
    if (bytes.length > 0) this.#pending = Buffer.from(bytes);
  }
}

/** Where a magic begins, be it cut off by the end; the length where none does. */
function findMagic(bytes: Buffer): number {
  const at = bytes.indexOf(MAGIC);
  if (at >= 0) return at;
  for (let length = Math.min(MAGIC.length - 1, bytes.length); length > 0; length--) {
    const tail = bytes.length - length;
    if (bytes.compare(MAGIC, 0, length, tail) === 0) return tail;
  }
  return bytes.length;
}
