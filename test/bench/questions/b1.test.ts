// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { b1 } from '../../../src/bench/questions/b1.js';
import { b1Measurements } from '../fixture.js';

const met = (ourMs: number, returned?: number) =>
  b1.findings(b1Measurements(ourMs, returned)).map((finding) => finding.met);

t.test('the bar is 1.1 bare fallocates and a round trip', async (t) => {
  t.same(met(111), [true, null, null, null, true]);
  t.same(met(112), [false, null, null, null, true]);
});

t.test('a return that takes less than a round trip says nothing', async (t) => {
  const measurements = b1Measurements(0.9);
  t.match(b1.findings(measurements)[0], { ours: 'a round trip took longer', met: null });
  t.notMatch(b1.guarded(measurements)[0], { key: 'b1/limit/128MiB/4KiB' });
});

t.test('a single container that left something misses the other', async (t) => {
  t.same(met(100, 0.9999), [true, null, null, null, false]);
  t.equal(b1.findings(b1Measurements(100, 0.99999))[4]?.ours, '99.9 %', 'never rounded up');
});

t.test('the host’s part goes without what the guest’s processor does', async (t) => {
  const [, , part, inTurns] = b1.findings(b1Measurements(113));
  t.match(part, { what: /the host’s part/, ours: '1.00×', bar: 'told' }, '113 - 1 - 2 of 110');
  t.match(inTurns, { what: /touched in turns/, ours: '0.88×', bar: 'told' }, 'the same of 125');
});

t.test('peers stand beside it as multiples', async (t) => {
  const [table] = b1.tables(b1Measurements(100));
  t.same(table?.rows, [
    ['128 MiB', 'bare fallocate', '', '100 ms', '', '', '1.00×'],
    ['', 'bare fallocate, rested', '', '110 ms', '', '', '1.10×'],
    ['', 'bare fallocate, rested, touched in turns', '', '125 ms', '', '', '1.25×'],
    ['', 'czone', 'czone', '100 ms', '100.0 %', '150 ms', '1.00×'],
    ['', 'virtio-mem', 'stock', '800 ms', '98.7 %', '850 ms', '8.00×'],
  ]);
});

t.test('ratios are guarded, not times', async (t) => {
  t.match(b1.guarded(b1Measurements(100)), [
    { key: 'b1/limit/128MiB/4KiB', value: 0.99, better: 'lower' },
    { key: 'b1/returned/128MiB/4KiB', value: 1, better: 'higher' },
    { key: 'b1/virtio-mem/stock/128MiB/4KiB', value: 8, better: 'higher' },
  ]);
});

t.test('results of before pages were touched in turns are still read', async (t) => {
  const before = b1Measurements(113).filter(({ of }) => of !== 'limit-in-turns');
  t.equal(b1.findings(before).length, 4);
  t.equal(b1.tables(before)[0]?.rows.length, 4);
});
