// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import t from 'tap';
import { SESSION_WINDOW_BYTES } from '../../../src/protocol/limits.js';
import { LinkClient } from '../../../src/protocol/link/client.js';
import { encodeFrame, FRAME_TYPES } from '../../../src/protocol/link/frame.js';
import { LinkServer } from '../../../src/protocol/link/server.js';
import { join, PipeEnd, random, randomBytes, streamPair } from './stream-pair.js';

const EMPTY = Buffer.alloc(0);

/** A server that sends back what it reads, and the sessions it saw. */
function echoServer(stream: Duplex): Duplex[] {
  const sessions: Duplex[] = [];
  new LinkServer(stream, (session) => {
    sessions.push(session);
    session.pipe(session);
  });
  return sessions;
}

async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Fulfilled when it is closed, be it by an error. */
function closing(stream: Duplex): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve));
}

async function ask(session: Duplex, text: string): Promise<string> {
  session.write(text);
  const [answer] = (await once(session, 'data')) as [Buffer];
  return answer.toString();
}

t.test('carries bytes both ways, whole and in order, to the end', async (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const next = random(seed);
    const [near, far] = streamPair(() => 1 + next(seed % 2 === 0 ? 40 : 20_000));
    echoServer(far);
    const session = await new LinkClient(near).open();
    const sent: Buffer[] = [];
    const received = readAll(session);
    for (let piece = 0; piece < 30; piece++) {
      const bytes = randomBytes(next, 1 + next(3000));
      sent.push(bytes);
      if (!session.write(bytes)) await once(session, 'drain');
    }
    session.end();
    t.ok(Buffer.concat(sent).equals(await received), `seed ${seed}`);
  }
});

t.test('more than a window passes while both sides read', async (t) => {
  const [near, far] = streamPair();
  echoServer(far);
  const session = await new LinkClient(near).open();
  const bytes = randomBytes(random(7), 3 * SESSION_WINDOW_BYTES);
  session.end(bytes);
  t.ok(bytes.equals(await readAll(session)));
});

t.test('a sender waits when the other side does not read', async (t) => {
  const [near, far] = streamPair();
  let accepted: Duplex | null = null;
  new LinkServer(far, (session) => {
    accepted = session;
  });
  const session = await new LinkClient(near).open();
  let written = false;
  session.write(Buffer.alloc(SESSION_WINDOW_BYTES + 1), () => {
    written = true;
  });
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  t.equal(written, false, 'one byte more than the window waits');
  const reader = accepted as Duplex | null;
  reader?.resume();
  while (!written) await new Promise(setImmediate);
  t.pass('it goes on when the other side reads');
});

t.test('a new client is served though its predecessor died in the midst of a frame', async (t) => {
  const far = new PipeEnd(() => 65536);
  const sessions = echoServer(far);
  const first = new PipeEnd(() => 65536);
  join(first, far);
  const session = await new LinkClient(first).open();
  t.equal(await ask(session, 'one'), 'one');
  // Half of a frame of the old session, then nothing more.
  const nonce = (session as unknown as { nonce: bigint }).nonce;
  const frame = encodeFrame({
    type: FRAME_TYPES.data,
    nonce,
    sequence: 1,
    payload: Buffer.alloc(9000),
  });
  far.push(frame.subarray(0, 5000));
  first.destroy();

  const second = new PipeEnd(() => 65536);
  join(second, far);
  const again = await new LinkClient(second).open();
  t.equal(await ask(again, 'two'), 'two');
  t.equal(sessions.length, 2);
  t.equal(sessions[0]?.destroyed, true, 'the old session is over');
});

t.test('stale bytes of an older server are passed over', async (t) => {
  const [near, far] = streamPair();
  const client = new LinkClient(near);
  const stale = encodeFrame({
    type: FRAME_TYPES.data,
    nonce: 99n,
    sequence: 4,
    payload: Buffer.alloc(7000),
  });
  far.write(stale.subarray(3000));
  far.write(stale);
  far.write(encodeFrame({ type: FRAME_TYPES.helloAck, nonce: 99n, sequence: 0, payload: EMPTY }));
  far.write(stale.subarray(0, 5000));
  echoServer(far);
  t.equal(await ask(await client.open(), 'hi'), 'hi');
});

t.test('a client learns at once that the server has started anew', async (t) => {
  const near = new PipeEnd(() => 65536);
  const first = new PipeEnd(() => 65536);
  join(near, first);
  echoServer(first);
  const client = new LinkClient(near);
  const session = await client.open();
  t.equal(await ask(session, 'one'), 'one');
  const closed = closing(session);
  first.destroy();
  const second = new PipeEnd(() => 65536);
  join(near, second);
  echoServer(second);
  await closed;
  t.equal(await ask(await client.open(), 'two'), 'two');
});

t.test('a hello that was lost is said again when the server is there', async (t) => {
  const near = new PipeEnd(() => 65536);
  const opened = new LinkClient(near).open();
  await new Promise(setImmediate);
  const far = new PipeEnd(() => 65536);
  join(near, far);
  echoServer(far);
  t.equal(await ask(await opened, 'hi'), 'hi');
});

t.test('a server tells a client of a session which it never had', async (t) => {
  const [near, far] = streamPair();
  const answers: Buffer[] = [];
  near.on('data', (chunk: Buffer) => answers.push(chunk));
  echoServer(far);
  const frame = { type: FRAME_TYPES.data, nonce: 77n, sequence: 0, payload: Buffer.from('x') };
  near.write(encodeFrame(frame));
  near.write(encodeFrame({ ...frame, sequence: 1 }));
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  const reset = encodeFrame({ type: FRAME_TYPES.reset, nonce: 77n, sequence: 0, payload: EMPTY });
  const ready = encodeFrame({ type: FRAME_TYPES.ready, nonce: 0n, sequence: 0, payload: EMPTY });
  t.ok(Buffer.concat(answers).equals(Buffer.concat([ready, reset])), 'once');
});

for (const [what, frames] of [
  ['skips a sequence number', [{ type: FRAME_TYPES.data, sequence: 1, payload: Buffer.from('x') }]],
  ['overruns its window', overrun()],
  [
    'grants a window that nobody used',
    [{ type: FRAME_TYPES.window, sequence: 0, payload: Buffer.from([0, 0, 0, 1]) }],
  ],
  [
    'sends after its end',
    [
      { type: FRAME_TYPES.end, sequence: 0, payload: EMPTY },
      { type: FRAME_TYPES.data, sequence: 1, payload: Buffer.from('x') },
    ],
  ],
] as const) {
  t.test(`a session ends when its peer ${what}`, async (t) => {
    const [near, far] = streamPair();
    near.resume();
    let session: Duplex | null = null;
    new LinkServer(far, (accepted) => {
      session = accepted;
    });
    near.write(encodeFrame({ type: FRAME_TYPES.hello, nonce: 5n, sequence: 0, payload: EMPTY }));
    while (session === null) await new Promise(setImmediate);
    const closed = closing(session);
    for (const frame of frames) near.write(encodeFrame({ nonce: 5n, ...frame }));
    await closed;
    t.match((session as Duplex).errored, { name: 'SessionEndedError' });
  });
}

function overrun(): { type: typeof FRAME_TYPES.data; sequence: number; payload: Buffer }[] {
  const payload = Buffer.alloc(16 * 1024);
  const count = SESSION_WINDOW_BYTES / payload.length + 2;
  return Array.from({ length: count }, (_, sequence) => ({
    type: FRAME_TYPES.data,
    sequence,
    payload,
  }));
}

t.test('destroying one end ends the other', async (t) => {
  const [near, far] = streamPair();
  const sessions = echoServer(far);
  const session = await new LinkClient(near).open();
  await ask(session, 'x');
  const closed = closing(sessions[0] as Duplex);
  session.destroy();
  await closed;
  t.pass('closed');
});

t.test('opening fails when the stream is closed and when nobody answers', async (t) => {
  const [near] = streamPair();
  const client = new LinkClient(near);
  await t.rejects(client.open(20), { code: 'DEADLINE_EXCEEDED' });
  const opened = client.open();
  near.destroy();
  await t.rejects(opened, { code: 'UNAVAILABLE' });
  await t.rejects(client.open(), { code: 'UNAVAILABLE' });
});
