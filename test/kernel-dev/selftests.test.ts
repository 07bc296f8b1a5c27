// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { readKtap, splats } from '../../src/kernel-dev/ktap.js';
import { type SelftestResult, verdictOf } from '../../src/kernel-dev/selftests.js';

const GOOD = `KTAP version 1
1..2
  1..2
  ok 1 a.one
  ok 2 a.two # SKIP no zram
ok 1 czone_a_test
  1..1
  ok 1 neighbours
ok 2 kunit_czone_report
# done
`;

function result(output: string, rest: Partial<SelftestResult> = {}): SelftestResult {
  const log = rest.log ?? '';
  return {
    report: readKtap(output),
    splats: splats(log),
    log,
    output,
    timedOut: false,
    status: 0,
    stderr: '',
    ...rest,
  };
}

t.test('a good run', async (t) => {
  t.match(verdictOf(result(GOOD)), { passed: 2, failed: 0, skipped: 1 });
});

t.test('a case that failed is named with what it printed', async (t) => {
  const output = GOOD.replace('  ok 1 a.one', '  # 1 is not 2\n  not ok 1 a.one').replace(
    'ok 1 czone_a_test',
    'not ok 1 czone_a_test',
  );
  const verdict = verdictOf(result(output));
  t.match(verdict, { passed: 1, failed: 1 });
  t.match(verdict.failures[0], { name: 'a.one', output: ['# 1 is not 2'] });
});

t.test('a program that ended badly without a failed case fails', async (t) => {
  const verdict = verdictOf(result(GOOD.replace('ok 1 czone_a_test', 'not ok 1 czone_a_test')));
  t.match(verdict, { failed: 1, failures: [{ name: 'czone_a_test ended badly' }] });
});

t.test('a run that was cut off fails once, not for each thing that is missing', async (t) => {
  const cut = GOOD.slice(0, GOOD.indexOf('ok 2 kunit'));
  t.match(verdictOf(result(cut, { timedOut: true, status: null })), {
    failed: 1,
    failures: [{ name: 'the VM did not come to its end in time' }],
  });
});

t.test('a complaint of the kernel fails, and tells where it began', async (t) => {
  const log = 'one\ntwo\nWARNING: CPU: 0 at mm/czone.c\nRIP: here\n';
  const verdict = verdictOf(result(GOOD, { log }));
  t.equal(verdict.failed, 1);
  t.same(verdict.failures[0]?.output.slice(0, 4), log.trimEnd().split('\n'));
});

t.test('QEMU that ended badly fails', async (t) => {
  const verdict = verdictOf(result(GOOD, { status: 1, stderr: 'no memory' }));
  t.match(verdict, { failed: 1, failures: [{ name: /no memory/ }] });
});
