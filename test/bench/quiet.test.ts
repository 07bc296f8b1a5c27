// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { BUSY_LOAD, waitUntilQuiet } from '../../src/bench/quiet.js';

function machine(loads: readonly number[]) {
  let polls = 0;
  let waitedMs = 0;
  const said: string[] = [];
  return {
    said,
    waitedMs: () => waitedMs,
    parts: {
      load: () => loads[Math.min(polls++, loads.length - 1)] ?? 0,
      wait: async (ms: number) => {
        waitedMs += ms;
      },
      say: (line: string) => said.push(line),
    },
  };
}

t.test('a quiet machine is not waited for', async (t) => {
  const { parts, said, waitedMs } = machine([BUSY_LOAD]);
  t.equal(await waitUntilQuiet(parts), BUSY_LOAD);
  t.equal(waitedMs(), 0);
  t.same(said, []);
});

t.test('what ran just before is waited for, and said once', async (t) => {
  const { parts, said, waitedMs } = machine([1.53, 1.1, 0.8, 0.4]);
  t.equal(await waitUntilQuiet(parts), 0.4);
  t.equal(waitedMs(), 15_000);
  t.same(said, ['waiting for the machine to be quiet (load 1.53)']);
});

t.test('a machine that stays busy is measured after five minutes all the same', async (t) => {
  const { parts, waitedMs } = machine([2.5]);
  t.equal(await waitUntilQuiet(parts), 2.5, 'the page tells it');
  t.equal(waitedMs(), 300_000);
});
