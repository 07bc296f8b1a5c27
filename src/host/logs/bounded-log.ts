// SPDX-License-Identifier: Apache-2.0
// One log of bounded size: a current file and the one before it. Readers follow by
// offset, so that a slow reader loses the oldest bytes and never the order.
import fs from 'node:fs';

export class BoundedLog {
  readonly #path: string;
  readonly #fileBytes: number;
  #fd: number | null;
  /** Offsets since the log's beginning: of the older file, the current one, the end. */
  #olderStart = 0;
  #currentStart = 0;
  #end = 0;
  #ended = false;
  readonly #wake = new Set<() => void>();

  /** At most about twice `fileBytes` are kept, in `path` and `path`.1 */
  constructor(path: string, fileBytes: number) {
    this.#path = path;
    this.#fileBytes = fileBytes;
    this.#fd = fs.openSync(path, 'w+', 0o600);
  }

  get keptFrom(): number {
    return this.#olderStart;
  }

  get endOffset(): number {
    return this.#end;
  }

  append(data: Uint8Array): void {
    if (this.#fd === null || this.#ended) return;
    let rest = data;
    while (rest.length > 0) {
      const room = this.#fileBytes - (this.#end - this.#currentStart);
      if (room <= 0) {
        this.#rotate();
        continue;
      }
      const part = rest.subarray(0, room);
      fs.writeSync(this.#fd, part, 0, part.length, this.#end - this.#currentStart);
      this.#end += part.length;
      rest = rest.subarray(part.length);
    }
    this.#notify();
  }

  /** No more comes: followers end when they have read all. */
  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** Kept bytes from `offset` on, at most 64 KiB, and where they begin. */
  read(offset: number): { from: number; data: Uint8Array } {
    const from = Math.max(offset, this.#olderStart);
    const inOlder = from < this.#currentStart;
    const start = inOlder ? this.#olderStart : this.#currentStart;
    const end = inOlder ? this.#currentStart : this.#end;
    const buffer = Buffer.alloc(Math.min(64 * 1024, Math.max(end - from, 0)));
    if (buffer.length === 0 || this.#fd === null) return { from, data: new Uint8Array() };
    const fd = inOlder ? fs.openSync(`${this.#path}.1`, 'r') : this.#fd;
    try {
      const count = fs.readSync(fd, buffer, 0, buffer.length, from - start);
      return { from, data: buffer.subarray(0, count) };
    } finally {
      if (inOlder) fs.closeSync(fd);
    }
  }

  /** Chunks from the last `tailBytes` (0: all kept) on; with `follow` until the end. */
  async *stream(options: {
    follow: boolean;
    tailBytes: number;
    signal: AbortSignal;
  }): AsyncGenerator<Uint8Array> {
    let offset =
      options.tailBytes > 0
        ? Math.max(this.#olderStart, this.#end - options.tailBytes)
        : this.#olderStart;
    while (!options.signal.aborted) {
      const { from, data } = this.read(offset);
      if (data.length > 0) {
        offset = from + data.length;
        yield data;
      } else if (!options.follow || this.#ended || this.#fd === null) {
        return;
      } else {
        await this.#changed(options.signal);
      }
    }
  }

  /** Removes the files. */
  remove(): void {
    this.end();
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
    for (const file of [this.#path, `${this.#path}.1`]) fs.rmSync(file, { force: true });
    this.#notify();
  }

  #rotate(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    fs.renameSync(this.#path, `${this.#path}.1`);
    this.#fd = fs.openSync(this.#path, 'w+', 0o600);
    this.#olderStart = this.#currentStart;
    this.#currentStart = this.#end;
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake();
  }
}
