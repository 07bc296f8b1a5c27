// SPDX-License-Identifier: Apache-2.0
// What containers write: FIFOs that are read into bounded buffers, and handed on.
//
// The containers hold their ends open for reading, too: a FIFO so never loses its
// last reader when the daemon dies, a write never fails with EPIPE, and the next
// daemon finds what was written meanwhile (up to the 64 KiB of a pipe).
import { constants, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { LOG_BUFFER_BYTES, LOG_CHUNK_MAX_BYTES } from '../protocol/limits.js';
import { runCommand } from './run-command.js';

export interface OutputChunk {
  readonly containerId: string;
  /** 1: stdout, 2: stderr. */
  readonly stream: 1 | 2;
  readonly data: Buffer;
  /** Bytes lost before this chunk since nobody took them. */
  readonly droppedBytes: number;
}

/** Waiting output of all containers. The sink says whether it has room for more. */
export class OutputQueue {
  readonly #waiting: { containerId: string; stream: 1 | 2; data: Buffer }[] = [];
  readonly #waitingBytes = new Map<string, number>();
  readonly #dropped = new Map<string, number>();
  #sink: ((chunk: OutputChunk) => boolean) | null = null;

  push(containerId: string, stream: 1 | 2, data: Buffer): void {
    const key = `${containerId}/${stream}`;
    const waiting = this.#waitingBytes.get(key) ?? 0;
    const room = Math.max(LOG_BUFFER_BYTES - waiting, 0);
    const kept = data.subarray(0, room);
    if (kept.length < data.length) {
      this.#dropped.set(key, (this.#dropped.get(key) ?? 0) + data.length - kept.length);
    }
    for (let at = 0; at < kept.length; at += LOG_CHUNK_MAX_BYTES) {
      // Copied: a small piece must not keep the whole buffer it was read into.
      const piece = Buffer.from(kept.subarray(at, at + LOG_CHUNK_MAX_BYTES));
      this.#waiting.push({ containerId, stream, data: piece });
    }
    this.#waitingBytes.set(key, waiting + kept.length);
    this.flush();
  }

  /** null: nobody takes output now. */
  setSink(sink: ((chunk: OutputChunk) => boolean) | null): void {
    this.#sink = sink;
    this.flush();
  }

  flush(): void {
    while (this.#sink !== null) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const key = `${next.containerId}/${next.stream}`;
      const left = (this.#waitingBytes.get(key) ?? 0) - next.data.length;
      if (left > 0) this.#waitingBytes.set(key, left);
      else this.#waitingBytes.delete(key);
      const droppedBytes = this.#dropped.get(key) ?? 0;
      this.#dropped.delete(key);
      if (!this.#sink({ ...next, droppedBytes })) return;
    }
  }
}

export async function makeFifos(paths: readonly string[]): Promise<void> {
  await runCommand('/usr/bin/mkfifo', ['-m', '0600', ...paths]);
}

/** The end that a container is given; the caller closes it. */
export function openWriter(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR);
}

/** Reads a FIFO until close() or until no process holds it any more. */
export class FifoReader {
  readonly #socket: Socket;
  readonly #ended: Promise<void>;

  private constructor(socket: Socket, onData: (data: Buffer) => void) {
    this.#socket = socket;
    socket.on('data', onData);
    socket.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      socket.once('end', resolve);
      socket.once('close', () => resolve());
    });
  }

  static open(path: string, onData: (data: Buffer) => void): FifoReader {
    // Not by a FileHandle: it would close its descriptor when it is collected,
    // and this one is the socket's.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new FifoReader(new Socket({ fd, readable: true, writable: false }), onData);
  }

  /** Waits for the rest, but not for ever: a process that got away may hold it. */
  async drain(patienceMs: number): Promise<void> {
    await Promise.race([
      this.#ended,
      new Promise((resolve) => setTimeout(resolve, patienceMs).unref()),
    ]);
    this.#socket.destroy();
  }
}
