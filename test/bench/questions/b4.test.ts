// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { b4 } from '../../../src/bench/questions/b4.js';
import { measurement } from '../fixture.js';

const taken = { work: 'quantum', kind: 'taken' };
const kept = { work: 'quantum', kind: 'kept' };

t.test('windows side by side are compared, so that a slow minute counts for nobody', async (t) => {
  // Taken together it would look half as fast: more of these windows were slow ones.
  const measurements = ['meanMs', 'p99Ms'].flatMap((what) => [
    measurement('czone', what, kept, 1, 1, 2),
    measurement('czone', what, taken, 1, 2, 2),
  ]);
  const [finding] = b4.findings(measurements);
  t.match(finding, { ours: /^1\.00× .*half of the windows 0\.75× to 1\.00×/, met: true });
});

t.test('of a VM only its own windows count', async (t) => {
  const measurements = [
    measurement('none', 'meanMs', kept, 2, 2, 2),
    measurement('none', 'meanMs', taken, 2, 2, 2),
    measurement('czone', 'meanMs', kept, 1, 1, 1),
    measurement('czone', 'meanMs', taken, 1.25, 1.25, 1.25),
  ];
  t.match(b4.findings(measurements), [{ ours: /^0\.80×/, met: false }]);
});

t.test('the bar is 0.99', async (t) => {
  const met = (ms: number) =>
    b4.findings([
      measurement('czone', 'meanMs', kept, 1, 1, 1),
      measurement('czone', 'meanMs', taken, ms, ms, ms),
    ])[0]?.met;
  t.equal(met(1.01), true);
  t.equal(met(1.02), false);
});
