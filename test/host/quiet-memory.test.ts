// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { QuietMemory } from '../../src/host/quiet-memory.js';

/** What was called, in order. */
function memoryAndCalls(processes: () => readonly number[] = () => []) {
  const calls: string[] = [];
  const memory = new QuietMemory({
    collect: () => calls.push('collect'),
    trimHeap: () => calls.push('trim'),
    processes,
    pageOutProgram: (pid) => calls.push(`page out ${pid}`),
  });
  return { memory, calls };
}

await t.test('once after some work, and again after more', async (t) => {
  const { memory, calls } = memoryAndCalls();
  for (let n = 0; n < 5; n++) memory.worked();
  await delay(3_300);
  t.strictSame(calls, ['collect', 'trim']);
  memory.worked();
  await delay(3_300);
  t.equal(calls.length, 4);
});

await t.test('not while there is work, and not without any', async (t) => {
  const { memory, calls } = memoryAndCalls();
  await delay(3_300);
  for (let n = 0; n < 4; n++) {
    memory.worked();
    await delay(1_000);
  }
  t.strictSame(calls, []);
});

await t.test("each process's program goes once", async (t) => {
  let pids = [1, 2];
  const { memory, calls } = memoryAndCalls(() => pids);
  const quiet = async () => {
    calls.length = 0;
    memory.worked();
    await delay(3_300);
    return calls.slice(2);
  };
  t.strictSame(await quiet(), ['page out 1', 'page out 2']);
  pids = [1, 3];
  t.strictSame(await quiet(), ['page out 3']);
  t.strictSame(await quiet(), []);
  // The number of one that has ended is another process's now.
  pids = [1, 2, 3];
  t.strictSame(await quiet(), ['page out 2']);
});
