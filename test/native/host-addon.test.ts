// SPDX-License-Identifier: Apache-2.0
// The host addon's boundary: arguments, descriptors, the memory file. What the
// device does behind it is tested without Node (native/test).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { loadHostAddon } from '../../src/host/device/addon.js';
import type { DeviceOptions } from '../../src/host/device/native.js';
import { garbageCollector } from '../../src/protocol/heap.js';
import { GIB, MIB } from '../../src/protocol/units.js';

const addon = loadHostAddon();
const REGION = 4 * GIB;

function options(t: Test, changes: Partial<DeviceOptions> = {}): DeviceOptions {
  const directory = mkdtempSync(join(tmpdir(), 'czone-addon-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return {
    socketPath: join(directory, 'socket'),
    regionAddr: REGION,
    regionBytes: 64 * MIB,
    blockBytes: 2 * MIB,
    maxZones: 16,
    ...changes,
  };
}

t.test('allocated bytes follow what is written', async (t) => {
  const fd = addon.createMemory('test', 64 * MIB, false);
  t.equal(addon.allocatedBytes(fd, 0, 64 * MIB), 0);
  writeSync(fd, Buffer.alloc(8192, 1), 0, 8192, MIB);
  t.equal(addon.allocatedBytes(fd, 0, 64 * MIB), 8192);
  t.equal(addon.allocatedBytes(fd, MIB, 4096), 4096);
  t.equal(addon.allocatedBytes(fd, 2 * MIB, 62 * MIB), 0);
  addon.closeMemory(fd);
  t.throws(() => addon.allocatedBytes(fd, 0, MIB), /Bad file descriptor/);
});

t.test('wrong memory arguments are refused', async (t) => {
  t.throws(() => addon.createMemory('', MIB, false), /name/);
  t.throws(() => addon.createMemory('x', -1, false), /sizeBytes/);
  t.throws(() => addon.createMemory('x', 1.5, false), /sizeBytes/);
  t.throws(() => addon.createMemory('x', Number.NaN, false), /sizeBytes/);
  t.throws(() => addon.createMemory('x', 2 ** 53, false), /sizeBytes/);
  t.throws(() => addon.createMemory('x', MIB, 1 as never), /huge/);
  t.throws(() => addon.allocatedBytes(-1, 0, MIB), /fd/);
  t.throws(() => addon.closeMemory(2 ** 32), /fd/);
});

t.test('free pages of the C heap go back to the kernel', async (t) => {
  const anonymousKib = () =>
    Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]);
  // Chunks of the heap, not mappings of their own; the last one keeps its end in use.
  const chunks = Array.from({ length: 512 }, () => Buffer.allocUnsafeSlow(100_000).fill(1));
  const kept = chunks.pop();
  chunks.length = 0;
  const collect = garbageCollector();
  for (let n = 0; n < 2; n++) {
    collect();
    await delay(50);
  }
  const before = anonymousKib();
  addon.trimHeap();
  t.ok(before - anonymousKib() > 20_000, `of ${before} KiB ${anonymousKib()} are left`);
  t.equal(kept?.[0], 1);
});

t.test('a program leaves memory as far as nobody needs it', async (t) => {
  const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  t.teardown(() => sleeper.kill('SIGKILL'));
  const { pid } = sleeper;
  if (pid === undefined) throw new Error('Node.js did not start');
  t.equal(addon.pageOutProgram(pid), 0);
  t.equal(addon.pageOutProgram(process.pid), 0);
  for (const wrong of [0, -1, 1.5, 2 ** 31, '1']) {
    t.throws(() => addon.pageOutProgram(wrong as number), /pid/);
  }
  const ended = once(sleeper, 'exit');
  sleeper.kill('SIGKILL');
  await ended;
  t.equal(addon.pageOutProgram(pid), constants.errno.ESRCH);
});

t.test('wrong device options are refused and leave no socket', async (t) => {
  const create = (changes: Partial<DeviceOptions>) => () =>
    addon.createDevice(options(t, changes), () => {});
  t.throws(create({ blockBytes: 3 * MIB }), /blockBytes/);
  t.throws(create({ regionBytes: MIB }), /region/);
  t.throws(create({ regionAddr: 4096 }), /region/);
  t.throws(create({ maxZones: 0 }), /maxZones/);
  t.throws(create({ maxZones: 4096 }), /maxZones/);
  t.throws(create({ socketPath: '' }), /socketPath/);
  t.throws(create({ socketPath: `/${'x'.repeat(107)}` }), /socketPath/);
  t.throws(create({ socketPath: '/nonexistent/socket' }), /nonexistent/);
});

t.test('before a VMM connects, commands end with DISCONNECTED', async (t) => {
  const given = options(t);
  const device = addon.createDevice(given, () => t.fail('there is no event'));
  t.equal(statSync(given.socketPath).mode & 0o777, 0o600);
  t.match(await device.plug(1, REGION, 4 * MIB, 8 * MIB, 1000), {
    result: 'DISCONNECTED',
    residentBeforeBytes: -1,
    zones: [],
    pins: [],
    sizeBytes: 0,
  });
  t.match(await device.list(1000), { result: 'DISCONNECTED' });
  t.throws(() => device.discard(REGION, 4 * MIB), /no VMM is connected/);
  device.close();
});

t.test('wrong command arguments reject', async (t) => {
  const device = addon.createDevice(options(t), () => {});
  t.teardown(() => device.close());
  await t.rejects(device.plug(0, REGION, 4 * MIB, 4 * MIB, 1000), /zone id 0/);
  await t.rejects(device.plug(17, REGION, 4 * MIB, 4 * MIB, 1000), /zone id 17/);
  await t.rejects(device.plug(1, REGION, 2 * MIB, 4 * MIB, 1000), /smaller/);
  await t.rejects(device.plug(1, REGION + MIB, 4 * MIB, 4 * MIB, 1000), /block/);
  await t.rejects(device.plug(1, REGION - 2 * MIB, 4 * MIB, 4 * MIB, 1000), /outside the region/);
  await t.rejects(device.plug(1, REGION, 66 * MIB, 66 * MIB, 1000), /outside the region/);
  await t.rejects(device.plug(1, REGION, 8 * MIB, 4 * MIB, 1000), /limit/);
  await t.rejects(device.plug(1, REGION, 8 * MIB, 9 * MIB, 1000), /limit/);
  await t.rejects(device.plug(1, REGION, 8 * MIB, 66 * MIB, 1000), /limit/);
  await t.rejects(device.unplug(1, REGION, 4 * MIB, 4 * MIB, false, -1), /timeoutMs/);
  await t.rejects(device.unplug(1, REGION, 4 * MIB, 4 * MIB, 1 as never, 1), /zombie/);
  await t.rejects(device.resize(1, REGION, 3 * MIB, 1), /block/);
  await t.rejects(device.report(1.5, REGION, 4 * MIB, 1), /zoneId/);
});

t.test('a closed device is closed', async (t) => {
  const given = options(t);
  const device = addon.createDevice(given, () => {});
  const pending = device.list(60_000);
  device.close();
  device.close();
  t.equal((await pending).result, 'DISCONNECTED');
  t.throws(() => statSync(given.socketPath), { code: 'ENOENT' });
  await t.rejects(device.list(1), /closed/);
  t.throws(() => device.discard(REGION, 4 * MIB), /closed/);
});
