// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { QuietHeap } from '../../src/host/quiet-heap.js';

/** What was called, in order. */
function heapAndCalls() {
  const calls: string[] = [];
  const heap = new QuietHeap({
    collect: () => calls.push('collect'),
    trimHeap: () => calls.push('trim'),
  });
  return { heap, calls };
}

await t.test('once after some work, and again after more', async (t) => {
  const { heap, calls } = heapAndCalls();
  for (let n = 0; n < 5; n++) heap.worked();
  await delay(3_300);
  t.strictSame(calls, ['collect', 'trim']);
  heap.worked();
  await delay(3_300);
  t.equal(calls.length, 4);
});

await t.test('not while there is work, and not without any', async (t) => {
  const { heap, calls } = heapAndCalls();
  await delay(3_300);
  for (let n = 0; n < 4; n++) {
    heap.worked();
    await delay(1_000);
  }
  t.strictSame(calls, []);
});
