// SPDX-License-Identifier: Apache-2.0
// Two streams that are joined: what is written to one is read from the other,
// cut into pieces as a byte stream may be.
import { Duplex } from 'node:stream';

export class PipeEnd extends Duplex {
  peer: PipeEnd | null = null;
  readonly #pieceBytes: () => number;
  #resume: (() => void) | null = null;

  constructor(pieceBytes: () => number) {
    super();
    this.#pieceBytes = pieceBytes;
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    const { peer } = this;
    // A byte stream without a reader loses what is written, as a serial port does.
    if (peer === null || peer.destroyed) {
      done();
      return;
    }
    let accepted = true;
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + Math.max(1, this.#pieceBytes()));
      accepted = peer.push(Buffer.from(chunk.subarray(at, end)));
      at = end;
    }
    if (accepted) setImmediate(done);
    else peer.#resume = () => setImmediate(done);
  }
}

/** `pieceBytes` says how long the next piece is. */
export function streamPair(pieceBytes: () => number = () => 65536): readonly [PipeEnd, PipeEnd] {
  const a = new PipeEnd(pieceBytes);
  const b = new PipeEnd(pieceBytes);
  join(a, b);
  return [a, b];
}

export function join(a: PipeEnd, b: PipeEnd): void {
  a.peer = b;
  b.peer = a;
}

/** Numbers below `limit`, the same ones for the same seed (mulberry32). */
export function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

export function randomBytes(next: (limit: number) => number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = next(256);
  return bytes;
}
