// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { FRAME_PAYLOAD_MAX_BYTES } from '../../../src/protocol/limits.js';
import { FrameDecoder } from '../../../src/protocol/link/decoder.js';
import {
  encodeFrame,
  FRAME_TYPES,
  type Frame,
  HEADER_BYTES,
  MAGIC,
} from '../../../src/protocol/link/frame.js';
import { random, randomBytes } from './stream-pair.js';

const NONCE = 0x1122334455667788n;

function dataFrame(sequence: number, payload: Buffer, nonce = NONCE): Buffer {
  return encodeFrame({ type: FRAME_TYPES.data, nonce, sequence, payload });
}

function decode(pieces: readonly Buffer[]): { frames: Frame[]; pendingBytes: number } {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(
    ({ nonce }) => nonce === NONCE,
    (frame) => frames.push(frame),
  );
  for (const piece of pieces) decoder.push(piece);
  return { frames, pendingBytes: decoder.pendingBytes };
}

function cut(bytes: Buffer, next: (limit: number) => number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + next(next(4) === 0 ? 5000 : 7));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

t.test('finds every frame between garbage, however the stream is cut', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = random(seed);
    const parts: Buffer[] = [];
    const payloads: Buffer[] = [];
    for (let sequence = 0; sequence < 20; sequence++) {
      // Garbage of all kinds: noise, parts of a magic, a stranger's frame, a cut header.
      const garbage = [
        () => randomBytes(next, next(200)),
        () => MAGIC.subarray(0, 1 + next(4)),
        () => dataFrame(9, randomBytes(next, next(300)), 5n),
        () => dataFrame(9, randomBytes(next, 50)).subarray(0, 1 + next(HEADER_BYTES - 1)),
        () => Buffer.alloc(0),
      ][next(5)];
      if (garbage) parts.push(garbage());
      const payload = randomBytes(next, 1 + next(600));
      payloads.push(payload);
      parts.push(dataFrame(sequence, payload));
    }
    const { frames, pendingBytes } = decode(cut(Buffer.concat(parts), next));
    if (
      frames.length !== payloads.length ||
      frames.some((frame, at) => frame.sequence !== at || !payloads[at]?.equals(frame.payload))
    ) {
      t.fail(`seed ${seed}: ${frames.length} of ${payloads.length} frames`);
    }
    if (pendingBytes !== 0) t.fail(`seed ${seed}: ${pendingBytes} bytes left`);
  }
  t.pass('60 streams of 20 frames');
});

t.test('looks for the next frame inside the payload of a broken one', async (t) => {
  const broken = dataFrame(0, Buffer.alloc(1000, 1));
  broken.writeUInt8(2, HEADER_BYTES + 10);
  const inner = dataFrame(1, Buffer.from('inner'));
  inner.copy(broken, HEADER_BYTES + 100);
  const { frames } = decode([broken, dataFrame(2, Buffer.from('after'))]);
  t.strictSame(
    frames.map(({ payload }) => payload.toString()),
    ['inner', 'after'],
  );
});

t.test("a stranger's frame does not make it wait for a payload", async (t) => {
  const stranger = dataFrame(0, Buffer.alloc(5000), 7n).subarray(0, HEADER_BYTES);
  const { frames } = decode([stranger, dataFrame(0, Buffer.from('mine'))]);
  t.equal(frames.length, 1);
});

t.test('a frame that was cut off is given up once a greatest frame of zeros follows', async (t) => {
  const cutOff = dataFrame(0, Buffer.alloc(FRAME_PAYLOAD_MAX_BYTES, 3)).subarray(0, 600);
  const padding = Buffer.alloc(HEADER_BYTES + FRAME_PAYLOAD_MAX_BYTES);
  const { frames } = decode([cutOff, padding, dataFrame(0, Buffer.from('alive'))]);
  t.equal(frames[0]?.payload.toString(), 'alive');
});

t.test('noise without a frame holds no memory', async (t) => {
  const next = random(42);
  const { frames, pendingBytes } = decode([randomBytes(next, 100_000)]);
  t.equal(frames.length, 0);
  t.ok(pendingBytes < HEADER_BYTES);
});

t.test('no single flipped bit of a frame gets through', async (t) => {
  const whole = dataFrame(0, Buffer.from('payload'));
  let through = 0;
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    through += decode([bytes]).frames.length;
  }
  t.equal(through, 0);
});

t.test('refuses to encode more than a frame holds', async (t) => {
  t.throws(() => dataFrame(0, Buffer.alloc(FRAME_PAYLOAD_MAX_BYTES + 1)), RangeError);
});
