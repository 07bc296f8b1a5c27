// SPDX-License-Identifier: Apache-2.0
// A run that was interrupted leaves questions with a part of their measurements, or none.
import t from 'tap';
import { ALL_QUESTIONS } from '../../../src/bench/questions/all.js';
import { drawSvg } from '../../../src/bench/report/svg.js';
import { measurement } from '../fixture.js';

for (const question of ALL_QUESTIONS) {
  t.test(`${question.name} without any measurement`, async (t) => {
    for (const { head, rows } of question.tables([])) {
      for (const row of rows) t.equal(row.length, head.length);
    }
    for (const { met } of question.findings([])) t.not(met, true, 'nothing measured meets no bar');
    for (const { value } of question.guarded([])) t.notOk(Number.isFinite(value));
    for (const { spec, title } of question.plots([])) t.match(await drawSvg(spec, title), /^<svg/);
  });
}

t.test('names, plots and keys are each used once', async (t) => {
  const names = ALL_QUESTIONS.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  const one = [measurement('czone', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 1)];
  const plots = ALL_QUESTIONS.flatMap((question) => question.plots(one).map(({ name }) => name));
  t.equal(new Set(plots).size, plots.length);
});
