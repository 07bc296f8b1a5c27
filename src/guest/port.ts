// SPDX-License-Identifier: Apache-2.0
// The virtio-serial port to the host, as a Duplex that survives the host.
//
// Such a port is read and written in the thread pool: libuv takes no character
// device that is not a terminal. While the host's end is closed a read returns 0 at
// once and a write waits for the host; so after a read of 0 a byte of padding is
// written, which the link passes over, and reading goes on when that is done. Thus
// neither an idle host nor an absent one costs any CPU.
import { open, read, write } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../protocol/errors.js';

const READ_BYTES = 32 * 1024;
const PADDING = Buffer.alloc(1);
/** Only matters where a port's write does not wait for the host. */
const REOPEN_FIRST_MS = 5;
const REOPEN_MAX_MS = 1000;
const APPEAR_MS = 30_000;
const APPEAR_POLL_MS = 20;

/** The device of the port of this name, which the kernel may yet have to find. */
export async function findPort(sysRoot: string, devRoot: string, name: string): Promise<string> {
  const ports = join(sysRoot, 'class/virtio-ports');
  for (let waitedMs = 0; waitedMs <= APPEAR_MS; waitedMs += APPEAR_POLL_MS) {
    for (const port of await readdir(ports).catch(() => [])) {
      const text = await readFile(join(ports, port, 'name'), 'utf8').catch(() => '');
      if (text.trim() === name) return join(devRoot, port);
    }
    await sleep(APPEAR_POLL_MS);
  }
  throw new CzoneError(
    'UNAVAILABLE',
    `The virtio-serial port ${name} has not appeared; the VM lacks it.`,
  );
}

export class PortStream extends Duplex {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #reopenMs = REOPEN_FIRST_MS;

  constructor(fd: number) {
    super({ autoDestroy: false });
    this.#fd = fd;
  }

  static async open(path: string): Promise<PortStream> {
    const fd = await new Promise<number>((resolve, reject) => {
      open(path, 'r+', (error, opened) => (error ? reject(error) : resolve(opened)));
    });
    return new PortStream(fd);
  }

  override _read(): void {
    read(this.#fd, this.#buffer, 0, READ_BYTES, null, (error, length) => {
      if (this.destroyed) return;
      if (error) {
        this.destroy(error);
      } else if (length === 0) {
        this.#awaitHost();
      } else {
        this.#reopenMs = REOPEN_FIRST_MS;
        // A copy: the buffer is read into again.
        this.push(Buffer.from(this.#buffer.subarray(0, length)));
      }
    });
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    write(this.#fd, chunk, 0, chunk.length, null, (error, length) => {
      if (error) done(error);
      // A port takes 32 KiB at once.
      else if (length < chunk.length) this._write(chunk.subarray(length), 'binary', done);
      else done();
    });
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  #awaitHost(): void {
    const pauseMs = this.#reopenMs;
    this.#reopenMs = Math.min(pauseMs * 2, REOPEN_MAX_MS);
    this.write(PADDING, (error) => {
      // An error is the stream's own, and ends it.
      if (!error) setTimeout(() => this._read(), pauseMs);
    });
  }
}
