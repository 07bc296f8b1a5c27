// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { readKtap, splats } from '../../src/kernel-dev/ktap.js';

const STREAM = `KTAP version 1
1..2
  # Subtest: czone_a_test
  TAP version 13
  1..3
  # Starting 3 tests from 1 test cases.
  #  RUN           a.one ...
  #            OK  a.one
  ok 1 a.one
  # czone_a_test.c:9:two:Expected 0 (0) == 1 (1)
  # two: Test failed
  not ok 2 a.two
  ok 3 a.three # SKIP no zram
not ok 1 czone_a_test
  # Subtest: czone_b_test
  1..1
  ok 1 b.only
ok 2 czone_b_test
# done
`;

t.test('programs and their cases', async (t) => {
  const report = readKtap(STREAM);
  t.same(report.problems, []);
  const [a, b] = report.programs;
  t.equal(a?.ok, false);
  t.same(
    a?.cases.map(({ name, ok, skipped }) => [name, ok, skipped]),
    [
      ['a.one', true, null],
      ['a.two', false, null],
      ['a.three', true, 'no zram'],
    ],
  );
  t.match(a?.cases[1]?.output.join('\n'), /Expected 0/);
  t.equal(b?.ok, true);
  t.equal(b?.cases.length, 1);
});

t.test('a run that stopped half-way has problems', async (t) => {
  const cut = readKtap(STREAM.slice(0, STREAM.indexOf('  # Subtest: czone_b_test')));
  t.same(cut.problems, ['the run: 2 planned, 1 reported', 'the run did not come to its end']);
});

t.test('a program that died after its plan has a problem', async (t) => {
  const report = readKtap(STREAM.replace('  ok 3 a.three # SKIP no zram\n', ''));
  t.same(report.programs[0]?.problems, ['czone_a_test: 3 planned, 2 reported']);
});

t.test('a program without a plan has a problem', async (t) => {
  const report = readKtap(STREAM.replace('  1..1\n', ''));
  t.same(report.programs[1]?.problems, ['czone_b_test: no plan line']);
});

t.test('an empty console is no success', async (t) => {
  t.same(readKtap('').problems, ['the run: no plan line', 'the run did not come to its end']);
});

t.test('splats are found, OOM kills are not', async (t) => {
  const log = `[    1.0] czone_full_test invoked oom-killer: gfp_mask=0xcc0
[    1.0] Call Trace:
[    1.0] Memory cgroup out of memory: Killed process 60
[    2.0] WARNING: possible circular locking dependency detected
[    2.1] BUG: Bad page state in process init  pfn:100200
[    2.2] BUG kmalloc-64 (Not tainted): Poison overwritten
[    2.3] INFO: rcu_sched detected stalls on CPUs/tasks
[    2.4] Oops: 0000 [#1] SMP`;
  t.equal(splats(log).length, 5);
  t.same(splats(log.split('\n').slice(0, 3).join('\n')), []);
});
