// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { TapPrinter } from '../../src/checks/tap-printer.js';

function printed(stream: string, live = false) {
  const lines: string[] = [];
  const printer = new TapPrinter((line) => lines.push(line), live);
  for (const line of stream.split('\n')) printer.line(line);
  return { lines, printer };
}

const PASSING = `TAP version 14
1..1
# Subtest: dist/test/a.test.js
    # Subtest: one
        ok 1 - fine
        # 12 ms each
        ok 2 - later # SKIP no kvm here
        1..2
    ok 1 - one # time=4.451ms
    1..1
    # time=25.298ms
ok 1 - dist/test/a.test.js # time=25.298ms

# No coverage generated
# { total: 2, pass: 1, skip: 1 }
# time=1669.852ms`;

t.test('a passing file is one line, with its comments and what it skipped', async (t) => {
  const { lines, printer } = printed(PASSING);
  t.same(lines, [
    'ok     dist/test/a.test.js (0.0 s)',
    '       12 ms each',
    '       skipped: later (no kvm here)',
  ]);
  t.same(printer.counts, { passed: 1, failed: 0, skipped: 1 });
});

t.test('comments are told as they come when files run one by one', async (t) => {
  const { lines } = printed(PASSING.split('\n').slice(0, 6).join('\n'), true);
  t.same(lines, ['run    dist/test/a.test.js', '       12 ms each']);
});

t.test('a failing file shows all it printed but what passed', async (t) => {
  const { lines, printer } = printed(`# Subtest: dist/test/b.test.js
    ok 1 - good
    not ok 2 - bad
      ---
      diff: |
        -2
        +1
      ...
    1..1
not ok 1 - dist/test/b.test.js # time=1000ms
# { total: 3, pass: 2, fail: 1 }`);
  t.equal(lines[0], 'FAILED dist/test/b.test.js (1.0 s)');
  t.match(lines.join('\n'), /not ok 2 - bad\n.*---\n.*diff/);
  t.notMatch(lines.join('\n'), / ok 1 - good/);
  t.same(printer.counts, { passed: 2, failed: 1, skipped: 0 });
});

t.test('without the closing line there are no counts', async (t) => {
  t.equal(printed('TAP version 14\n# Subtest: x\n    ok 1 - y').printer.counts, null);
});
