// SPDX-License-Identifier: Apache-2.0
// The guest addon's boundary, as far as a host without zones goes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { GuestAddon } from '../../src/guest/native.js';

const addon = createRequire(import.meta.url)(
  new URL('../../../build/Release/czone_guest.node', import.meta.url).pathname,
) as GuestAddon;

t.test('errors have a code and name their object', async (t) => {
  if (!existsSync('/dev/czone')) {
    t.throws(() => addon.openZone(5), { code: 'ENOENT', message: /zone 5/ });
  }
  t.throws(() => addon.openZone(1.5), /zoneId/);
  t.throws(() => addon.openZone(2 ** 32), /zoneId/);
  t.throws(() => addon.pidfdOpen(2 ** 31 - 1), { code: 'ESRCH' });
  t.throws(() => addon.closeFd(1_000_000), { code: 'EBADF' });
  await t.rejects(addon.waitPidfd(1_000_000), { code: 'EBADF' });
});

t.test('what is no zone is refused with the step that failed', async (t) => {
  const fd = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(fd));
  const options = {
    zoneFd: fd,
    cgroupFd: fd,
    path: '/bin/true',
    argv: ['true'],
    env: [],
    stdoutFd: 1,
    stderrFd: 2,
    passedFds: [],
    overlay: null,
  };
  t.throws(() => addon.spawnInZone(options), { message: /clone3 of \/bin\/true/ });
  t.throws(() => addon.spawnInZone({ ...options, zoneFd: -1 }), /zoneFd/);
  t.throws(() => addon.spawnInZone({ ...options, path: 'a\0b' }), /path/);
  t.throws(() => addon.spawnInZone({ ...options, argv: ['a\0b'] }), /argv/);
});

t.test('the end of a process that is not our child is seen without a status', async (t) => {
  // The shell's child outlives the shell, and so is somebody else's.
  const shell = spawn('/bin/sh', ['-c', 'sleep 0.3 & echo $!'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  for await (const part of shell.stdout.setEncoding('utf8')) {
    out += part as string;
    if (out.includes('\n')) break;
  }
  const pidfd = addon.pidfdOpen(Number(out));
  t.same(await addon.waitPidfd(pidfd), { exitCode: null, signal: null });
  // The wait has closed it.
  t.throws(() => addon.closeFd(pidfd), { code: 'EBADF' });
});

t.test('a port is waited for until it answers, or until nobody wants to know', async (t) => {
  const server = createServer((socket) => socket.destroy());
  const listen = async (port: number) => {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  };
  const port = await listen(0);
  t.equal(await addon.waitPort('127.0.0.1', port).answered, true);
  await new Promise((resolve) => server.close(resolve));

  const stopped = addon.waitPort('127.0.0.1', port);
  const asking = addon.waitPort('127.0.0.1', port);
  await sleep(20);
  stopped.stop();
  stopped.stop();
  t.equal(await stopped.answered, false);
  await listen(port);
  t.equal(await asking.answered, true);
  asking.stop();
  await new Promise((resolve) => server.close(resolve));

  t.throws(() => addon.waitPort('localhost', 80), /address/);
  t.throws(() => addon.waitPort('127.0.0.1', 0), /port/);
  t.throws(() => addon.waitPort('127.0.0.1', 65536), /port/);
});
