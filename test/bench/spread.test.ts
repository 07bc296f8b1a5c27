// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { spreadOf } from '../../src/bench/spread.js';

t.same(spreadOf([3, 1, 2]), { count: 3, min: 1, median: 2, max: 3 });
t.same(spreadOf([4, 1, 2, 10]), { count: 4, min: 1, median: 3, max: 10 });
t.same(spreadOf([7]), { count: 1, min: 7, median: 7, max: 7 });
t.same(spreadOf([]), { count: 0, min: 0, median: 0, max: 0 }, 'nothing measured');
