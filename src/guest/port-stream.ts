// SPDX-License-Identifier: Apache-2.0
// A virtio-serial port as a Duplex. Reads block in a thread of libuv's pool, so that
// an idle daemon uses no CPU; a read of nothing means that no host is connected.
import { constants, openSync, read, readdirSync, readFileSync, write } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { CzoneError } from '../protocol/errors.js';

const READ_BYTES = 32 * 1024;
const NO_HOST_PAUSE_MS = 100;

/** The device file of the port of this name. */
export function findPort(name: string, roots: { sysPorts: string; dev: string }): string {
  for (const device of readdirSync(roots.sysPorts)) {
    const found = readFileSync(join(roots.sysPorts, device, 'name'), 'utf8').trim();
    if (found === name) return join(roots.dev, device);
  }
  throw new CzoneError('NOT_FOUND', `the VM has no virtio-serial port named ${name}`);
}

export function openPort(path: string): Duplex {
  const fd = openSync(path, constants.O_RDWR);
  const buffer = Buffer.alloc(READ_BYTES);
  const stream: Duplex = new Duplex({
    read: () => {
      read(fd, buffer, 0, buffer.length, null, (error, bytes) => {
        if (error) stream.destroy(error);
        else if (bytes > 0) stream.push(Buffer.from(buffer.subarray(0, bytes)));
        else setTimeout(() => stream._read(READ_BYTES), NO_HOST_PAUSE_MS);
      });
    },
    write: (chunk: Buffer, _encoding, done) => writeAll(fd, chunk, done),
  });
  return stream;
}

function writeAll(fd: number, chunk: Buffer, done: (error?: Error | null) => void): void {
  write(fd, chunk, 0, chunk.length, null, (error, bytes) => {
    if (error) done(error);
    else if (bytes < chunk.length) writeAll(fd, chunk.subarray(bytes), done);
    else done();
  });
}
