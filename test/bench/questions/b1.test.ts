// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { b1 } from '../../../src/bench/questions/b1.js';
import { b1Measurements } from '../fixture.js';

const met = (ourMs: number, returned?: number) =>
  b1.findings(b1Measurements(ourMs, returned)).map((finding) => finding.met);

t.test('the bar is 1.1 bare fallocates and a round trip', async (t) => {
  t.same(met(111), [true, null, null, true]);
  t.same(met(112), [false, null, null, true]);
});

t.test('a slow round trip alone meets no bar', async (t) => {
  const [slow] = b1.findings(b1Measurements(120, 1, 125));
  t.match(slow, { ours: 'a round trip took longer', met: null });
  const [fast] = b1.findings(b1Measurements(0.9));
  t.match(fast, { ours: 'a round trip took longer', met: true }, 'below it without one');
});

t.test('a single container that left something misses the other', async (t) => {
  t.same(met(100, 0.9999), [true, null, null, false]);
  t.equal(b1.findings(b1Measurements(100, 0.99999))[3]?.ours, '99.9 %', 'never rounded up');
});

t.test('what was back before the request is told, and when all was', async (t) => {
  const [, early, all] = b1.findings(b1Measurements(113));
  t.match(early, { what: /before the request/, ours: '62.5 %', bar: 'told' });
  t.match(all, { what: /from the kill/, ours: '163 ms', bar: 'told' });
});

t.test('peers stand beside it as multiples, of the return and from the kill', async (t) => {
  const [table] = b1.tables(b1Measurements(100));
  t.same(table?.rows, [
    ['128 MiB', 'bare fallocate', '', '100 ms', '1.00×', '', '', ''],
    ['', 'bare fallocate, rested', '', '110 ms', '1.10×', '', '', ''],
    ['', 'bare fallocate, rested, touched in turns', '', '125 ms', '1.25×', '', '', ''],
    ['', 'czone', 'czone', '100 ms', '1.00×', '100.0 %', '150 ms', '1.00×'],
    ['', 'virtio-mem', 'stock', '800 ms', '8.00×', '98.7 %', '850 ms', '5.67×'],
  ]);
});

t.test('ratios are guarded, not times', async (t) => {
  t.match(b1.guarded(b1Measurements(100)), [
    { key: 'b1/limit/128MiB/4KiB', value: 0.99, better: 'lower' },
    { key: 'b1/returned/128MiB/4KiB', value: 1, better: 'higher' },
    { key: 'b1/kill/virtio-mem/stock/128MiB/4KiB', value: 850 / 150, better: 'higher' },
  ]);
  t.match(b1.guarded(b1Measurements(10))[0], { value: 0.55 }, 'half the bar is as good as less');
});

t.test('results of before all of it was measured are still read', async (t) => {
  const before = b1Measurements(113).filter(
    ({ of, what }) => of !== 'limit-in-turns' && what !== 'earlyShare',
  );
  t.match(b1.findings(before)[1], { ours: '0.0 %' });
  t.equal(b1.tables(before)[0]?.rows.length, 4);
});
