// SPDX-License-Identifier: Apache-2.0
// Output of one stream that waits for the host: bounded by itself and together with
// all others. What comes when it is full is dropped and counted, so that no
// container waits for the host.
import { LOG_BUFFER_BYTES, LOG_CHUNK_MAX_BYTES, LOG_TOTAL_BYTES } from '../protocol/limits.js';

/** What all buffers of the daemon hold together. */
export interface LogBudget {
  usedBytes: number;
}

export interface LogPiece {
  readonly data: Buffer;
  /** Bytes that were dropped right before `data`. */
  readonly droppedBytes: number;
}

const TAIL_BYTES = 2048;

export class LogBuffer {
  readonly #budget: LogBudget;
  readonly #pieces: LogPiece[] = [];
  #heldBytes = 0;
  #droppedBytes = 0;
  #tail = Buffer.alloc(0);

  constructor(budget: LogBudget) {
    this.#budget = budget;
  }

  get empty(): boolean {
    return this.#pieces.length === 0 && this.#droppedBytes === 0;
  }

  append(data: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, data]).subarray(-TAIL_BYTES);
    const roomBytes = Math.min(
      LOG_BUFFER_BYTES - this.#heldBytes,
      LOG_TOTAL_BYTES - this.#budget.usedBytes,
    );
    const kept = data.subarray(0, Math.max(0, roomBytes));
    for (let at = 0; at < kept.length; at += LOG_CHUNK_MAX_BYTES) {
      // A copy: the chunk it came in may be far larger.
      const piece = Buffer.from(kept.subarray(at, at + LOG_CHUNK_MAX_BYTES));
      this.#pieces.push({ data: piece, droppedBytes: this.#droppedBytes });
      this.#droppedBytes = 0;
    }
    this.#heldBytes += kept.length;
    this.#budget.usedBytes += kept.length;
    this.#droppedBytes += data.length - kept.length;
  }

  /**
   * The oldest piece, with those that follow it and fit into one; null when there is none.
   * Bytes dropped at the end come as an empty piece.
   */
  take(): LogPiece | null {
    const first = this.#pieces.shift();
    if (first) {
      const parts = [first.data];
      let bytes = first.data.length;
      for (;;) {
        const next = this.#pieces[0];
        if (next === undefined || next.droppedBytes > 0) break;
        if (bytes + next.data.length > LOG_CHUNK_MAX_BYTES) break;
        this.#pieces.shift();
        parts.push(next.data);
        bytes += next.data.length;
      }
      this.#heldBytes -= bytes;
      this.#budget.usedBytes -= bytes;
      const data = parts.length === 1 ? first.data : Buffer.concat(parts);
      return { data, droppedBytes: first.droppedBytes };
    }
    if (this.#droppedBytes === 0) return null;
    const droppedBytes = this.#droppedBytes;
    this.#droppedBytes = 0;
    return { data: Buffer.alloc(0), droppedBytes };
  }

  /** Gives up what is held. */
  clear(): void {
    while (this.take() !== null);
  }

  /** The last of all that was appended, for an error message. */
  tail(): string {
    return this.#tail.toString('utf8').trim();
  }
}
