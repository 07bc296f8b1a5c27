// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { flatness, median, quantile } from '../../src/bench/statistics.js';

t.test('a quantile lies between its neighbours', async (t) => {
  t.equal(quantile([4, 1, 3, 2], 0), 1);
  t.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  t.equal(quantile([4, 1, 3, 2], 1), 4);
  t.equal(quantile([10, 20], 0.25), 12.5);
  t.ok(Number.isNaN(quantile([], 0.5)));
  t.ok(Number.isNaN(median([])), 'nothing measured is not zero');
});

t.test('the same everywhere is flat', async (t) => {
  const flat = flatness([0, 50, 100].map((x) => ({ x, values: [100, 101, 99] })));
  t.equal(flat.rise, 0);
  t.ok(flat.flat);
});

t.test('one that doubles is not, one outlier does not make it steep', async (t) => {
  const steep = flatness([0, 50, 100].map((x) => ({ x, values: [100 + x, 101 + x, 99 + x] })));
  t.notOk(steep.flat);
  t.ok(Math.abs(steep.rise - 100 / 150) < 1e-9);
  const outlier = flatness([
    { x: 0, values: [100] },
    { x: 1, values: [100] },
    { x: 2, values: [900] },
    { x: 3, values: [100] },
    { x: 4, values: [100] },
  ]);
  t.equal(outlier.rise, 0);
});

t.test('what falls does not rise', async (t) => {
  t.ok(flatness([0, 1].map((x) => ({ x, values: [100 - 60 * x] }))).flat);
});

t.test('a rise within the noise is flat', async (t) => {
  const noisy = flatness([
    { x: 0, values: [60, 100, 140] },
    { x: 1, values: [75, 115, 155] },
  ]);
  t.ok(noisy.rise > 0.1);
  t.ok(noisy.noise > noisy.rise);
  t.ok(noisy.flat);
});
