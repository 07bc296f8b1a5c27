// SPDX-License-Identifier: Apache-2.0
// A FIFO that is open for both reads what it wrote; the port itself is tested in VMs.
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { findPort, PortStream } from '../../src/guest/port.js';

t.test('finds a port by its name, also one that comes later', async (t) => {
  const sys = t.testdir({ class: { 'virtio-ports': { vport1p1: { name: 'other\n' } } } });
  const found = findPort(sys, '/dev', 'czone.agent');
  await mkdir(join(sys, 'class/virtio-ports/vport1p2'));
  await writeFile(join(sys, 'class/virtio-ports/vport1p2/name'), 'czone.agent\n');
  t.equal(await found, '/dev/vport1p2');
});

t.test('carries more than one read or write takes, in order', async (t) => {
  const path = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [path]);
  const port = await PortStream.open(path);
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 253));
  const got: Buffer[] = [];
  let gotBytes = 0;
  const whole = new Promise<void>((resolve) => {
    port.on('data', (chunk: Buffer) => {
      got.push(chunk);
      gotBytes += chunk.length;
      if (gotBytes >= bytes.length) resolve();
    });
  });
  for (let at = 0; at < bytes.length; at += 10_000) port.write(bytes.subarray(at, at + 10_000));
  await whole;
  t.ok(Buffer.concat(got).equals(bytes));
  port.destroy();
  // The read that waits would keep this process; one byte ends it.
  await writeFile(path, 'x');
});

t.test(
  'a read of nothing, as without a host, is followed by padding and not by an end',
  async (t) => {
    // A character device, as the port is, that is always at its end and takes all.
    const port = await PortStream.open('/dev/null');
    let padding = 0;
    let ended = false;
    const write = port._write.bind(port);
    const twice = new Promise<void>((resolve) => {
      port._write = (chunk: Buffer, encoding, done) => {
        padding += chunk.every((byte) => byte === 0) ? 1 : Number.NaN;
        if (padding === 2) resolve();
        write(chunk, encoding, done);
      };
    });
    port.on('end', () => {
      ended = true;
    });
    port.resume();
    await twice;
    t.equal(padding, 2, 'zeros, which no frame begins with');
    t.equal(ended, false);
    port.destroy();
  },
);
