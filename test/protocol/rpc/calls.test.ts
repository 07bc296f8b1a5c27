// SPDX-License-Identifier: Apache-2.0
// Both ends of the calls, and what each makes of bytes that the other should not send.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { CzoneError } from '../../../src/protocol/errors.js';
import { AGENT_MESSAGE_MAX_BYTES, CALLS_AT_ONCE_MAX } from '../../../src/protocol/limits.js';
import { CallClient } from '../../../src/protocol/rpc/client.js';
import {
  encodeMessage,
  MESSAGE_HEADER_BYTES,
  MESSAGE_KINDS,
  type Message,
} from '../../../src/protocol/rpc/message.js';
import type { Method } from '../../../src/protocol/rpc/method.js';
import {
  type Handler,
  type Sink,
  serveCalls,
  streaming,
  unary,
} from '../../../src/protocol/rpc/server.js';
import { type PipeEnd, random, streamPair } from '../link/stream-pair.js';

const text = {
  encode: (words: string) => ({ finish: () => Buffer.from(words) }),
  decode: (bytes: Uint8Array) => {
    const words = Buffer.from(bytes).toString();
    if (words === 'undecodable') throw new Error('no text');
    return words;
  },
};
const method = (name: string): Method<string, string> => ({
  name,
  requestType: text,
  responseType: text,
});
const ECHO = method('Echo');
const NEVER = method('Never');
const LINES = method('Lines');

interface Pair {
  readonly client: CallClient;
  readonly near: PipeEnd;
  readonly far: PipeEnd;
  readonly sinks: Sink<string>[];
}

function clientOn(t: Test, near: PipeEnd, options: { pingMs?: number; pongMs?: number } = {}) {
  const client = new CallClient(near, {
    answerMaxBytes: 64 * 1024,
    pingMs: 60_000,
    pongMs: 60_000,
    ...options,
  });
  t.teardown(() => client.close());
  near.on('error', () => {});
  return client;
}

function served(t: Test, pieceBytes?: () => number, more: readonly Handler[] = []): Pair {
  const [near, far] = streamPair(pieceBytes);
  const sinks: Sink<string>[] = [];
  far.on('error', () => {});
  serveCalls(far, [
    unary(ECHO, async (words) => words),
    unary(NEVER, () => new Promise(() => {})),
    streaming(LINES, (_request, sink) => sinks.push(sink)),
    ...more,
  ]);
  t.teardown(() => far.destroy());
  return { client: clientOn(t, near), near, far, sinks };
}

const message = (kind: number, callId: number, body: Uint8Array | string = '', code = 0) =>
  encodeMessage({ kind: kind as Message['kind'], callId, code, body: Buffer.from(body) });

const callOf = (name: string, request = '') =>
  Buffer.concat([Buffer.of(name.length), Buffer.from(name + request)]);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

t.test('calls pass side by side, however their bytes are cut', async (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const next = random(seed);
    const { client } = served(t, () => 1 + next(seed % 2 === 0 ? 20 : 9000));
    const words = Array.from({ length: 20 }, () => 'w'.repeat(next(5000)));
    const answers = await Promise.all(words.map((word) => client.call(ECHO, word, 20_000)));
    t.ok(
      answers.every((answer, at) => answer === words[at]),
      `seed ${seed}`,
    );
  }
});

t.test('an error keeps its code and its words', async (t) => {
  let failure: unknown;
  const failing = method('Fail');
  const { client } = served(t, undefined, [
    unary(failing, async () => {
      throw failure;
    }),
  ]);
  for (const code of ['NOT_FOUND', 'ABORTED', 'RESOURCE_EXHAUSTED', 'INTERNAL'] as const) {
    failure = new CzoneError(code, 'Nothing – gone.');
    await t.rejects(client.call(failing, '', 20_000), { code, message: 'Nothing – gone.' });
  }
  failure = 'a bare string';
  await t.rejects(client.call(failing, '', 20_000), { code: 'INTERNAL', message: 'a bare string' });
  failure = new Error('x'.repeat(10_000));
  await t.rejects(client.call(failing, '', 20_000), { message: /^x{3000}$/ });
});

t.test('a call has its deadline, and an answer that comes later harms nothing', async (t) => {
  let late = (_words: string) => {};
  const slow = method('Slow');
  const { client } = served(t, undefined, [
    unary(slow, () => new Promise<string>((resolve) => (late = resolve))),
  ]);
  await t.rejects(client.call(slow, '', 20), { code: 'DEADLINE_EXCEEDED', message: /20 ms/ });
  late('at last');
  t.equal(await client.call(ECHO, 'next', 20_000), 'next');
});

t.test('a request that is too large is refused, and the next is served', async (t) => {
  const { client } = served(t);
  const tooLarge = 'x'.repeat(AGENT_MESSAGE_MAX_BYTES);
  await t.rejects(client.call(ECHO, tooLarge, 20_000), { code: 'RESOURCE_EXHAUSTED' });
  t.equal(await client.call(ECHO, 'next', 20_000), 'next');
});

t.test('a method that is not there, a request that is none, and too many calls', async (t) => {
  const { client } = served(t);
  await t.rejects(client.call(method('Nothing'), '', 20_000), { message: /no method "Nothing"/ });
  await t.rejects(client.call(ECHO, 'undecodable', 20_000), { message: /no text/ });
  for (let n = 0; n < CALLS_AT_ONCE_MAX; n++) client.call(NEVER, '', 60_000).catch(() => {});
  await t.rejects(client.call(ECHO, '', 20_000), { code: 'RESOURCE_EXHAUSTED' });
});

t.test('a stream tells its items in order, waits for a slow reader, and ends', async (t) => {
  const { client, near, sinks } = served(t);
  const lines: string[] = [];
  const end = client.stream(LINES, '', (line) => lines.push(line));
  await until(() => sinks.length === 1);
  const [sink] = sinks as [Sink<string>];
  near.pause();
  let sent = 0;
  while (sink.send(`${sent++}`.padEnd(1000))) t.notOk(sink.ended);
  let drained = false;
  const draining = sink.whenDrained().then(() => (drained = true));
  await delay(20);
  t.notOk(drained, 'nobody reads');
  near.resume();
  await draining;
  sink.end();
  await end;
  t.strictSame(
    lines.map((line) => Number(line)),
    Array.from({ length: sent }, (_, at) => at),
  );
  t.ok(sink.ended);
  t.ok(sink.send('after its end'), 'is passed over');
});

t.test('whoever waits hears of the end of the session', async (t) => {
  const { client, near, far, sinks } = served(t);
  const call = client.call(NEVER, '', 60_000);
  const stream = client.stream(LINES, '', () => {});
  await until(() => sinks.length === 1);
  far.destroy();
  await sinks[0]?.whenDrained();
  t.ok(sinks[0]?.ended);
  near.destroy(new Error('the stream failed'));
  await t.rejects(call, { code: 'UNAVAILABLE', message: 'the stream failed' });
  await t.rejects(stream, { code: 'UNAVAILABLE' });
  await t.rejects(client.call(ECHO, '', 20_000), { code: 'UNAVAILABLE' });
});

t.test('an end that falls silent ends the session; one that answers does not', async (t) => {
  const { near: lively } = served(t);
  const [mute] = streamPair();
  const asking = clientOn(t, mute, { pingMs: 20, pongMs: 50 });
  await t.rejects(asking.call(ECHO, '', 20_000), {
    code: 'UNAVAILABLE',
    message: /no sign of life within 50 ms/,
  });
  lively.removeAllListeners('data');
  const pinging = clientOn(t, lively, { pingMs: 20, pongMs: 2_000 });
  await delay(200);
  t.equal(await pinging.call(ECHO, 'still there', 20_000), 'still there');
});

t.test('a server ends a session that makes no sense', async (t) => {
  const header = (length: number) => {
    const bytes = message(MESSAGE_KINDS.call, 1);
    bytes.writeUInt32BE(length, 0);
    return bytes;
  };
  const padded = message(MESSAGE_KINDS.ping, 0);
  padded.writeUInt16BE(1, 10);
  const senseless: readonly (readonly [what: string, bytes: Buffer])[] = [
    ['a kind that is not known', message(9, 1)],
    ['zeros', Buffer.alloc(MESSAGE_HEADER_BYTES)],
    ['a filled pad', padded],
    ['a body that is too large', header(AGENT_MESSAGE_MAX_BYTES + 1)],
    ['a length of all ones', header(2 ** 32 - 1)],
    ['an answer', message(MESSAGE_KINDS.answer, 1)],
    ['a call without a name', message(MESSAGE_KINDS.call, 1)],
    ['a name that is cut off', message(MESSAGE_KINDS.call, 1, Buffer.of(5, 0x45))],
    [
      'a number that is under way',
      Buffer.concat([
        message(MESSAGE_KINDS.call, 1, callOf('Never')),
        message(MESSAGE_KINDS.call, 1, callOf('Never')),
      ]),
    ],
  ];
  for (const [what, bytes] of senseless) {
    const [near, far] = streamPair(() => 5);
    far.on('error', () => {});
    serveCalls(far, [unary(NEVER, () => new Promise(() => {}))]);
    near.write(bytes);
    await until(() => far.destroyed);
    t.pass(what);
  }
});

t.test('a client ends a session that makes no sense', async (t) => {
  const senseless: readonly (readonly [what: string, bytes: Buffer])[] = [
    ['a kind that is not known', message(9, 1)],
    ['a call', message(MESSAGE_KINDS.call, 1, callOf('Echo'))],
    ['an item of what is no stream', message(MESSAGE_KINDS.item, 1)],
    ['an answer that is none', message(MESSAGE_KINDS.answer, 1, 'undecodable')],
    ['an answer that is too large', message(MESSAGE_KINDS.answer, 1, Buffer.alloc(64 * 1024 + 1))],
  ];
  for (const [what, bytes] of senseless) {
    const [near, far] = streamPair(() => 7000);
    const client = clientOn(t, near);
    far.write(bytes);
    await t.rejects(
      client.call(ECHO, '', 20_000),
      { code: 'UNAVAILABLE', message: /no sense/ },
      what,
    );
  }
  const [near, far] = streamPair();
  const client = clientOn(t, near);
  // For nobody, and a code that is not known.
  far.write(message(MESSAGE_KINDS.answer, 77));
  far.write(message(MESSAGE_KINDS.failure, 1, 'odd', 200));
  await t.rejects(client.call(ECHO, '', 20_000), { code: 'INTERNAL', message: 'odd' });
  far.write(message(MESSAGE_KINDS.failure, 2, 'x'.repeat(60_000), 10));
  await t.rejects(client.call(ECHO, '', 20_000), { code: 'ABORTED', message: /^x{3000}$/ });
});
