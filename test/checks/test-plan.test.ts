// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { testPlan, timedAndOthers } from '../../src/checks/test-plan.js';

const FILES = [
  'dist/test/host/ledger.test.js',
  'dist/test/vm/cycles.test.js',
  'dist/test/kernel/kunit.test.js',
];

t.test('everything, with the static checks, when nothing is asked for', async (t) => {
  const plan = testPlan([], FILES);
  t.equal(plan.checks, true);
  t.same(plan.files, { unit: [FILES[0]], vm: [FILES[1]], kernel: [FILES[2]] });
});

t.test('a kind, a part of a path, or both', async (t) => {
  t.same(testPlan(['--vm'], FILES).files, { unit: [], vm: [FILES[1]], kernel: [] });
  t.same(testPlan(['test/host/ledger.test.ts'], FILES).files.unit, [FILES[0]]);
  t.same(testPlan(['ledger', '--vm'], FILES).files, { unit: [], vm: [], kernel: [] });
  t.equal(testPlan(['ledger'], FILES).checks, false);
});

t.test('an unknown option is refused', async (t) => {
  t.throws(() => testPlan(['--fast'], FILES), /--fast/);
});

t.test('tests that measure times go before those beside which a kernel is compiled', async (t) => {
  const [timed, others] = timedAndOthers([
    'dist/test/vm/bad-input.test.js',
    'dist/test/vm/bench.test.js',
    'dist/test/vm/crash.test.js',
  ]);
  t.same(timed, ['dist/test/vm/bench.test.js']);
  t.same(others, ['dist/test/vm/bad-input.test.js', 'dist/test/vm/crash.test.js']);
});
