// SPDX-License-Identifier: Apache-2.0
// Reads one output stream of a container from its FIFO.
//
// The container's own descriptor is open for reading and writing (bundle.ts), so a
// FIFO without a daemon behind it makes the container wait, never fail with EPIPE,
// and the next daemon goes on reading where this one stopped.
import { constants, openSync } from 'node:fs';
import net from 'node:net';

const DRAIN_MS = 1000;

export class LogReader {
  readonly #socket: net.Socket;
  readonly #ended: Promise<void>;

  /** Someone must have the FIFO open for writing, or its end is read at once. */
  constructor(path: string, onData: (data: Buffer) => void) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // A FIFO is a pipe to libuv: read when it is readable, without a thread.
    this.#socket = new net.Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', onData);
    this.#socket.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  /** Reads to the end, which comes when the last process of the container has gone. */
  async drain(): Promise<void> {
    const timer = setTimeout(() => this.#socket.destroy(), DRAIN_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}
