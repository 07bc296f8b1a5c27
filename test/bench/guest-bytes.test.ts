// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseGuestBytes, readGuestBytes } from '../../src/bench/guest-bytes.js';
import { KIB, MIB } from '../../src/protocol/units.js';

const TOLD = `MemTotal:         355168 kB
Buffers:            1024 kB
Cached:            50176 kB
SwapCached:            0 kB
Shmem:              2048 kB
nr_memmap_boot_pages 1024
current 44408832
file 27041792
shmem 65536
`;

/** A shell that answers so to each command; null: that hangs up. */
async function shell(t: Test, answer: (command: string) => string | null): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'czone-shell-'));
  const path = join(directory, 'shell.sock');
  const open: Socket[] = [];
  const server = createServer((socket) => {
    open.push(socket);
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      const text = answer(data.toString());
      if (text === null) socket.destroy();
      else socket.write(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return path;
}

const marks = (command: string) => /"([0-9a-f-]{36})"/.exec(command)?.[1];

t.test('tells daemon, memmap and page cache apart', async (t) => {
  t.strictSame(parseGuestBytes(TOLD), {
    memmap: 4 * MIB,
    daemon: 44408832,
    pageCache: 49152 * KIB - (27041792 - 65536),
  });
});

t.test('a number that is missing is named', async (t) => {
  for (const name of ['Buffers', 'Cached', 'Shmem', 'nr_memmap_boot_pages', 'current', 'file']) {
    const text = TOLD.split('\n').filter((line) => !line.startsWith(name));
    t.throws(() => parseGuestBytes(text.join('\n')), { message: new RegExp(name) });
  }
});

t.test('asks the shell, and is not taken in by its echo', async (t) => {
  const path = await shell(t, (command) => {
    const mark = marks(command);
    return `${command}${mark}-begin\n${TOLD}${mark}-end\n`;
  });
  t.match(await readGuestBytes(path), { memmap: 4 * MIB });
});

t.test('a shell that hangs up or never ends is an error', async (t) => {
  const gone = await shell(t, () => null);
  await t.rejects(readGuestBytes(gone), { code: 'INTERNAL', message: /closed/ });
  const endless = await shell(t, () => 'x'.repeat(100_000));
  await t.rejects(readGuestBytes(endless), { code: 'INTERNAL', message: /too much/ });
  await t.rejects(readGuestBytes(`${gone}-nowhere`), { code: 'INTERNAL', message: /asked/ });
});
