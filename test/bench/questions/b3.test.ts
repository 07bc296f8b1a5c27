// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { b3 } from '../../../src/bench/questions/b3.js';
import { measurement } from '../fixture.js';

const freed = { case: 'freed', containerMib: 256 };
const measured = (returned: number) => [
  measurement('czone', 'returnedShare', freed, 1, returned),
  measurement('czone', 'returnMs', freed, 40),
  measurement('balloon', 'returnedShare', freed, 0.98),
  measurement('balloon', 'returnMs', freed, 400),
];

t.test('one pass that leaves more than a hundredth behind misses the bar', async (t) => {
  t.equal(b3.findings(measured(0.991))[0]?.met, true);
  t.equal(b3.findings(measured(0.989))[0]?.met, false);
});

t.test('what was not measured is a dash, and the balloon is guarded as a ratio', async (t) => {
  const [table] = b3.tables(measured(1));
  t.same(table?.rows, [
    ['czone', '100.0 %', '40.0 ms', '–', '–', '–'],
    ['balloon', '98.0 %', '400 ms', '–', '–', '–'],
  ]);
  t.match(
    b3.guarded(measured(1)).find(({ key }) => key === 'b3/freed/balloon'),
    { value: 10, better: 'higher' },
  );
});
