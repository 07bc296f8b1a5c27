// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { parseProcessorList } from '../../src/bench/vm/pinning.js';

t.test('lists of processors', async (t) => {
  t.same(parseProcessorList('0'), [0]);
  t.same(parseProcessorList('0-1'), [0, 1]);
  t.same(parseProcessorList('0-2,5,7-8'), [0, 1, 2, 5, 7, 8]);
});
