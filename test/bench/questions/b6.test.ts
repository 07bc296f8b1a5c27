// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import type { Measurement } from '../../../src/bench/measurement.js';
import { b6 } from '../../../src/bench/questions/b6.js';
import { measurement } from '../fixture.js';

const COUNTS = [1, 2, 32, 64];

/** So many MiB of N, for each of who was measured. */
function measurements(sides: Readonly<Record<string, (count: number) => number>>): Measurement[] {
  return Object.entries(sides).flatMap(([of, hostMib]) =>
    COUNTS.map((count) => measurement(of, 'hostMib', { count }, hostMib(count))),
  );
}

const SIDES = {
  fresh: (count: number) => 100 * count,
  early: (count: number) => 100 * count,
  warm: (count: number) => 100 + 40 * count,
  crun: (count: number) => 200 + 12 * count,
  zygote: (count: number) => 200 + 3 * count,
};

t.test('the bars are of 32 by zygote', async (t) => {
  const barred = b6.findings(measurements(SIDES)).filter(({ met }) => met !== null);
  t.match(barred, [
    { what: 'one more container by zygote', ours: '3.0 MiB', met: true },
    { what: /^32 × czone, by zygote beside a VM each, booted/, ours: /^-90\.8 %/, met: false },
    { what: /cloned before its runtime/, ours: /^-90\.8 %, less from N = 32 on/, met: true },
    { what: /cloned when it had answered/, ours: /^-78\.6 %/, met: true },
  ]);
});

t.test('a node as it comes is told, not held to the bars', async (t) => {
  const sides = { ...SIDES, 'zygote-as-it-comes': (count: number) => 300 + 3 * count };
  const told = b6.findings(measurements(sides)).filter(({ what }) => /as it comes/.test(what));
  t.equal(told.length, 3);
  t.ok(told.every(({ met }) => met === null));
  t.match(b6.tables(measurements(sides))[0]?.rows.at(-1), [/as it comes/, '303 MiB']);
});

t.test('where nothing is emulated there is no such node', async (t) => {
  t.notMatch(JSON.stringify(b6.tables(measurements(SIDES))), /as it comes/);
});
