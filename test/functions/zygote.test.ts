// SPDX-License-Identifier: Apache-2.0
// The Python runtime of zygotes, with the daemon's own channel, on a host without zones.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import type { GuestAddon } from '../../src/guest/native.js';
import { ZygoteChannel } from '../../src/guest/zygote-channel.js';

const addon = createRequire(import.meta.url)(
  new URL('../../../build/Release/czone_guest.node', import.meta.url).pathname,
) as GuestAddon;
const FIXTURE = resolve('test/functions/zygote_fixture.py');
const RUNTIME = resolve('vm-images/functions/common');

interface Child {
  readonly environment: Record<string, string>;
  readonly descriptors: number[];
  readonly [generator: string]: unknown;
}

class PythonZygote {
  readonly channel: ZygoteChannel;
  readonly #directory: string;
  #count = 0;

  constructor(t: Test, mode: string) {
    this.#directory = t.testdir();
    const [end, zygoteEnd] = addon.makeChannel();
    const stdio = ['ignore', 'ignore', 'inherit', zygoteEnd, end] as const;
    const child = spawn('python3', [FIXTURE, RUNTIME, mode], { stdio: [...stdio] });
    addon.closeFd(zygoteEnd);
    this.channel = new ZygoteChannel(addon, end, 1n);
    t.teardown(async () => {
      this.channel.close('the test is over');
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
  }

  /** What a child writes. */
  async fork(environment: readonly string[]): Promise<Child> {
    const path = join(this.#directory, String(this.#count++));
    const fd = openSync(path, 'w');
    const zone = openSync('/dev/null', 'r');
    const result = await this.channel.fork(environment, [zone, fd, fd]);
    for (const descriptor of [fd, zone]) closeSync(descriptor);
    if (result.kind !== 'forked') throw new Error(result.reason);
    for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 20) {
      const text = readFileSync(path, 'utf8');
      if (text.endsWith('\n')) return JSON.parse(text) as Child;
      await new Promise((done) => setTimeout(done, 20));
    }
    throw new Error('the child says nothing');
  }
}

t.test('a child has its own environment and nothing open of the zygote’s', async (t) => {
  const zygote = new PythonZygote(t, 'plain');
  t.match(await zygote.channel.ready, { kind: 'ready', runtime: /^python 3/ });
  const child = await zygote.fork(['A=1', 'B=two words']);
  t.strictSame(child.environment, { A: '1', B: 'two words' });
  t.strictSame(child.descriptors, [0, 1, 2]);
});

t.test('no two children have random bytes in common, though all have one pid', async (t) => {
  const zygote = new PythonZygote(t, 'plain');
  const children: Child[] = [];
  for (let n = 0; n < 4; n++) children.push(await zygote.fork([]));
  for (const generator of ['random', 'ssl', 'uuid1', 'uuid4', 'name']) {
    const values = new Set(children.map((child) => JSON.stringify(child[generator])));
    t.equal(values.size, children.length, `${generator}: ${[...values].join(' ')}`);
  }
});

t.test('without the kernel’s help there is no child, and the reason is told', async (t) => {
  const zygote = new PythonZygote(t, 'kernel');
  await t.rejects(zygote.fork([]), /fork failed:.*Inappropriate ioctl/);
});

for (const [mode, reason] of [
  ['thread', /1 threads run beside the main one/],
  ['socket', /descriptor \d+ is open \(socket:/],
  ['shared', /mapped shared and writable/],
] as const) {
  t.test(`with a ${mode} it is no zygote, and says so`, async (t) => {
    const zygote = new PythonZygote(t, mode);
    const result = await zygote.channel.ready;
    t.match(result, { kind: 'refused', reason });
  });
}

t.test('what is opened later forbids the fork, too', async (t) => {
  const zygote = new PythonZygote(t, 'late-socket');
  await zygote.channel.ready;
  await t.rejects(zygote.fork([]), /descriptor \d+ is open/);
});

t.test('an environment that is too long is not sent', async (t) => {
  const zygote = new PythonZygote(t, 'plain');
  await t.rejects(zygote.fork([`A=${'x'.repeat(70_000)}`]), /longer than a zygote takes/);
  t.ok(await zygote.fork([]), 'and the zygote goes on');
});
