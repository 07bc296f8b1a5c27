// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { ZYGOTE_MESSAGE_MAX_BYTES, ZYGOTE_TEXT_MAX_BYTES } from '../../src/protocol/limits.js';
import { decodeReply, encodeFork } from '../../src/protocol/zygote.js';
import { ready, refused, reply } from '../guest/fake-sandbox.js';

t.test('a request holds its id and the environment', async (t) => {
  const message = encodeFork(0x1122334455667788n, ['A=1', 'B=ä']);
  t.equal(message?.subarray(0, 4).toString(), 'CZZ1');
  t.equal(message?.readUInt16LE(4), 1);
  t.equal(message?.readBigUInt64LE(8), 0x1122334455667788n);
  t.equal(message?.readUInt32LE(16), 2);
  t.equal(message?.subarray(20).toString(), 'A=1\0B=ä\0');
});

t.test('an environment that is too long makes no request', async (t) => {
  t.equal(encodeFork(1n, [`A=${'x'.repeat(ZYGOTE_MESSAGE_MAX_BYTES)}`]), null);
});

t.test('replies are read', async (t) => {
  t.strictSame(decodeReply(ready('python 3.13')), { kind: 'ready', runtime: 'python 3.13' });
  t.strictSame(decodeReply(refused(4n, 'no')), { kind: 'refused', id: 4n, reason: 'no' });
  t.strictSame(decodeReply(reply(18, 5n)), { kind: 'forked', id: 5n });
  const errno = Buffer.from([11, 0, 0, 0]);
  t.strictSame(decodeReply(reply(19, 6n, Buffer.concat([errno, Buffer.from('busy')]))), {
    kind: 'failed',
    id: 6n,
    errno: 11,
    reason: 'busy',
  });
});

t.test(
  'what a hostile zygote says is cut, and nothing that a terminal obeys is left',
  async (t) => {
    const text = decodeReply(refused(1n, `a\u001b[31m\n\u0085b${'x'.repeat(5000)}`));
    t.ok(text?.kind === 'refused' && !/[\p{Cc}]/u.test(text.reason));
    t.ok(text?.kind === 'refused' && text.reason.length <= ZYGOTE_TEXT_MAX_BYTES);
  },
);

t.test('what makes no sense is no reply', async (t) => {
  const good = reply(18, 5n);
  const otherMagic = Buffer.from(good);
  otherMagic[0] = 0;
  const flagged = Buffer.from(good);
  flagged[6] = 1;
  for (const message of [
    Buffer.alloc(0),
    good.subarray(0, 15),
    otherMagic,
    flagged,
    reply(18, 0n),
    reply(18, 5n, 'x'),
    reply(19, 5n, 'abc'),
    reply(19, 0n, 'abcd'),
    reply(16, 1n, 'late'),
    reply(1, 1n),
    reply(99, 1n),
  ]) {
    t.equal(decodeReply(message), null, message.toString('hex'));
  }
});
