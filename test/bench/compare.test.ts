// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { type Baseline, compare } from '../../src/bench/compare.js';
import type { Guarded } from '../../src/bench/question.js';

const figure = (key: string, value: number, better: Guarded['better']): Guarded => ({
  key,
  value,
  better,
  tolerance: 0.1,
});
const baseline: Baseline = {
  version: 1,
  accelerator: 'tcg',
  commit: null,
  figures: [figure('low', 10, 'lower'), figure('high', 10, 'higher'), figure('gone', 1, 'lower')],
};
const verdicts = (low: number, high: number) =>
  Object.fromEntries(
    compare(baseline, [figure('low', low, 'lower'), figure('high', high, 'higher')]).compared.map(
      ({ key, verdict }) => [key, verdict],
    ),
  );

t.test('worse is what went the wrong way by more than its tolerance', async (t) => {
  t.same(verdicts(11.1, 8.9), { low: 'worse', high: 'worse' });
  t.same(verdicts(10.9, 9.1), { low: 'same', high: 'same' });
  t.same(verdicts(8.9, 11.1), { low: 'better', high: 'better' });
});

t.test('what only one of them has is named', async (t) => {
  const { notMeasured, notInBaseline } = compare(baseline, [figure('new', 1, 'lower')]);
  t.same(notMeasured, ['low', 'high', 'gone']);
  t.same(notInBaseline, ['new']);
});

t.test('the worst comes first', async (t) => {
  const { compared } = compare(baseline, [figure('low', 10, 'lower'), figure('high', 1, 'higher')]);
  t.same(
    compared.map(({ key }) => key),
    ['high', 'low'],
  );
});
