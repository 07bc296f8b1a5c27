// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { b4 } from '../../../src/bench/questions/b4.js';
import { measurement } from '../fixture.js';

const work = { work: 'quantum' };

t.test('windows side by side are compared, so that a slow minute counts for nobody', async (t) => {
  // Taken together czone would look half as fast: more of its windows were slow ones.
  const measurements = ['meanMs', 'p99Ms'].flatMap((what) => [
    measurement('none', what, work, 1, 1, 2),
    measurement('czone', what, work, 1, 2, 2),
  ]);
  const [finding] = b4.findings(measurements);
  t.match(finding, { ours: /^1\.00× .*half of the windows 0\.75× to 1\.00×/, met: true });
});

t.test('the bar is 0.99', async (t) => {
  const met = (ms: number) =>
    b4.findings([
      measurement('none', 'meanMs', work, 1, 1, 1),
      measurement('czone', 'meanMs', work, ms, ms, ms),
    ])[0]?.met;
  t.equal(met(1.01), true);
  t.equal(met(1.02), false);
});
