// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { LogBuffer } from '../../src/guest/log-buffer.js';
import {
  LOG_BUFFER_BYTES,
  LOG_CHUNK_MAX_BYTES,
  LOG_TOTAL_BYTES,
} from '../../src/protocol/limits.js';

t.test('gives back what was appended, in pieces of bounded size', async (t) => {
  const buffer = new LogBuffer({ usedBytes: 0 });
  const bytes = Buffer.from(Array.from({ length: LOG_CHUNK_MAX_BYTES + 5 }, (_, at) => at % 251));
  buffer.append(bytes);
  const first = buffer.take();
  const second = buffer.take();
  t.equal(first?.data.length, LOG_CHUNK_MAX_BYTES);
  t.ok(
    Buffer.concat([first?.data ?? Buffer.alloc(0), second?.data ?? Buffer.alloc(0)]).equals(bytes),
  );
  t.equal(buffer.take(), null);
});

t.test('counts what it drops at the place where it was dropped', async (t) => {
  const budget = { usedBytes: 0 };
  const buffer = new LogBuffer(budget);
  buffer.append(Buffer.alloc(LOG_BUFFER_BYTES, 'a'));
  buffer.append(Buffer.from('lost'));
  t.equal(budget.usedBytes, LOG_BUFFER_BYTES);
  t.equal(buffer.take()?.droppedBytes, 0);
  buffer.append(Buffer.from('kept'));
  let piece = buffer.take();
  while (piece && piece.data.toString() !== 'kept') {
    t.equal(piece.droppedBytes, 0);
    piece = buffer.take();
  }
  t.equal(piece?.droppedBytes, 4);
});

t.test('tells of bytes dropped at the very end', async (t) => {
  const buffer = new LogBuffer({ usedBytes: LOG_TOTAL_BYTES });
  buffer.append(Buffer.from('none of this fits'));
  t.notOk(buffer.empty);
  t.match(buffer.take(), { droppedBytes: 17, data: Buffer.alloc(0) });
  t.ok(buffer.empty);
});

t.test('one stream can not use up what all share', async (t) => {
  const budget = { usedBytes: 0 };
  const greedy = new LogBuffer(budget);
  greedy.append(Buffer.alloc(LOG_TOTAL_BYTES));
  const other = new LogBuffer(budget);
  other.append(Buffer.from('x'));
  t.equal(other.take()?.data.toString(), 'x');
  greedy.clear();
  t.equal(budget.usedBytes, 0);
});

t.test('remembers the last words even when they were sent or dropped', async (t) => {
  const buffer = new LogBuffer({ usedBytes: LOG_TOTAL_BYTES });
  buffer.append(Buffer.alloc(5000, 'x'));
  buffer.append(Buffer.from('Error: no such module\n'));
  t.match(buffer.tail(), /Error: no such module$/);
  t.ok(buffer.tail().length <= 2048);
});
