// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { watchReturn } from '../../src/bench/peers/watch.js';
import { MIB } from '../../src/protocol/units.js';

const steps = (...bytes: number[]) => {
  let at = 0;
  return () => (bytes[Math.min(at++, bytes.length - 1)] ?? 0) * MIB;
};

t.test('ends when the goal is reached', async (t) => {
  const end = await watchReturn({
    startMs: performance.now(),
    allocatedBytes: steps(100, 100, 70, 40),
    goalBytes: 40 * MIB,
    finished: null,
    stallMs: 10_000,
  });
  t.equal(end.returnedBytes, 60 * MIB);
});

t.test('ends when the device says so, with what came', async (t) => {
  let asked = 0;
  const end = await watchReturn({
    startMs: performance.now(),
    allocatedBytes: steps(100, 90),
    goalBytes: 0,
    finished: async () => ++asked === 3,
    stallMs: 10_000,
  });
  t.equal(asked, 3);
  t.equal(end.returnedBytes, 10 * MIB);
});

t.test('ends when no more comes, at the time of the last that came', async (t) => {
  const startMs = performance.now();
  const end = await watchReturn({
    startMs,
    allocatedBytes: steps(100, 80, 79.9),
    goalBytes: 0,
    finished: null,
    stallMs: 60,
  });
  t.ok(performance.now() - startMs >= 60);
  t.ok(end.ms < 50, 'a trickle is no progress');
  t.ok(end.returnedBytes > 20 * MIB);
});
