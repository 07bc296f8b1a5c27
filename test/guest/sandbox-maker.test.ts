// SPDX-License-Identifier: Apache-2.0
// The daemon's side of the sandbox maker; the program is played, at its end of the channel.
// native/test/sandbox.cc runs the real one.
import { createRequire } from 'node:module';
import t, { type Test } from 'tap';
import type { GuestAddon } from '../../src/guest/native.js';
import { SandboxMaker } from '../../src/guest/sandbox-maker.js';
import { decodeSandboxReply, encodeMake, encodeSteps } from '../../src/guest/sandbox-request.js';

const ADDON = createRequire(import.meta.url)(
  new URL('../../../build/Release/czone_guest.node', import.meta.url).pathname,
) as GuestAddon;

const STEPS = encodeSteps([{ act: 'chdir', path: '/' }]);
const FDS = [0, 1, 2] as const;

function answer(type: number, id: bigint, first: number, second: number): Buffer {
  const message = Buffer.alloc(24);
  message.write('CZS1', 'latin1');
  message.writeUInt16LE(type, 4);
  message.writeBigUInt64LE(id, 8);
  message.writeInt32LE(first, 16);
  message.writeInt32LE(second, 20);
  return message;
}

const failed = (id: bigint, step: number, errno: number) => answer(16, id, step, errno);
const ended = (id: bigint, pid: number, status: number) => answer(17, id, pid, status);

/** `play` is called with the ids of what was asked; what it gives back is said. */
function makerOf(t: Test, play: (ids: readonly bigint[]) => readonly Buffer[] | 'end') {
  const complaints: string[] = [];
  let starts = 0;
  const serve = async (fd: number) => {
    const ids: bigint[] = [];
    for (;;) {
      const request = await ADDON.receiveMessage(fd).catch(() => null);
      if (request === null) break;
      ids.push(request.readBigUInt64LE(8));
      const said = play(ids);
      if (said === 'end') break;
      for (const message of said) ADDON.sendMessage(fd, message, []);
    }
    ADDON.closeFd(fd);
  };
  const opened: number[] = [];
  const maker = new SandboxMaker({
    addon: {
      ...ADDON,
      makeChannel: () => {
        const ends = ADDON.makeChannel();
        opened.push(ends[0]);
        return ends;
      },
    },
    start: (channel) => {
      starts += 1;
      const pidfd = ADDON.pidfdOpen(process.pid);
      const mine = ADDON.takeChannel(pidfd, channel);
      ADDON.closeFd(pidfd);
      void serve(mine);
    },
    complain: (message) => complaints.push(message),
  });
  t.teardown(() => {
    for (const fd of opened) {
      try {
        ADDON.shutDown(fd);
      } catch {
        // It is closed already.
      }
    }
  });
  return { maker, complaints, starts: () => starts };
}

t.test('a helper that ends well has made a sandbox', async (t) => {
  const { maker, starts } = makerOf(t, (ids) => [ended(ids.at(-1) ?? 0n, 42, 0)]);
  maker.warm();
  maker.warm();
  t.same(await maker.make(STEPS, FDS), { pid: 42, failure: null });
  t.same(await maker.make(STEPS, FDS), { pid: 42, failure: null });
  t.equal(starts(), 1);
});

t.test('answers find who asked, in whatever order they come', async (t) => {
  const { maker } = makerOf(t, (ids) =>
    ids.length < 3
      ? []
      : [
          failed(ids[1] ?? 0n, 4, 1),
          ended(ids[2] ?? 0n, 12, 0),
          ended(ids[1] ?? 0n, 11, 127 << 8),
          ended(ids[0] ?? 0n, 10, 9),
        ],
  );
  t.same(await Promise.all([1, 2, 3].map(() => maker.make(STEPS, FDS))), [
    { pid: 10, failure: { step: -5, code: 'killed' } },
    { pid: 11, failure: { step: 4, code: 'EPERM' } },
    { pid: 12, failure: null },
  ]);
});

t.test('who waits is told when the program ends, and the next start is another', async (t) => {
  let first = true;
  const { maker, complaints, starts } = makerOf(t, (ids) => {
    if (!first) return [ended(ids.at(-1) ?? 0n, 7, 0)];
    first = false;
    return 'end';
  });
  t.match(await maker.make(STEPS, FDS), { failure: { code: 'lost' } });
  t.match(complaints, [/has ended/]);
  t.match(await maker.make(STEPS, FDS), { pid: 7, failure: null });
  t.equal(starts(), 2);
});

t.test('nonsense ends the channel, and not the daemon', async (t) => {
  const { maker, complaints } = makerOf(t, () => [Buffer.from('hello')]);
  t.match(await maker.make(STEPS, FDS), { failure: { code: 'lost' } });
  t.match(complaints, [/makes no sense/]);
});

t.test('answers to nobody are passed over', async (t) => {
  const { maker } = makerOf(t, (ids) => [
    failed(99n, 0, 1),
    ended(99n, 5, 0),
    ended(ids.at(-1) ?? 0n, 6, 0),
  ]);
  t.match(await maker.make(STEPS, FDS), { pid: 6, failure: null });
});

t.test('a program that can’t be started, and a request that is too long', async (t) => {
  const complaints: string[] = [];
  const maker = new SandboxMaker({
    addon: ADDON,
    start: () => {
      throw Object.assign(new Error('no'), { code: 'ENOENT' });
    },
    complain: (message) => complaints.push(message),
  });
  // Who has a zygote has it all the same.
  maker.warm();
  t.match(complaints, [/does not start: no/]);
  t.same(await maker.make(STEPS, FDS), { pid: 0, failure: { step: -4, code: 'ENOENT' } });
  t.same(await maker.make('x'.repeat(40_000), FDS), {
    pid: 0,
    failure: { step: -4, code: 'E2BIG' },
  });
});

t.test('messages', async (t) => {
  t.same(
    encodeMake(3n, STEPS),
    Buffer.concat([
      answer(1, 3n, 0, 0).subarray(0, 16),
      Buffer.from('chdir|/||||0|0|'.replaceAll('|', '\0')),
    ]),
  );
  t.equal(decodeSandboxReply(Buffer.alloc(0)), null);
  t.equal(decodeSandboxReply(ended(1n, 2, 0).subarray(0, 23)), null);
  t.equal(decodeSandboxReply(Buffer.concat([ended(1n, 2, 0), Buffer.alloc(1)])), null);
  t.equal(decodeSandboxReply(answer(18, 1n, 0, 0)), null);
  const odd = ended(1n, 2, 0);
  odd.writeUInt16LE(1, 6);
  t.equal(decodeSandboxReply(odd), null);
  t.match(decodeSandboxReply(failed(1n, -1, 0)), { failure: { step: -1, code: '0' } });
  t.match(decodeSandboxReply(failed(1n, -1, 9999)), { kind: 'failed' });
});
