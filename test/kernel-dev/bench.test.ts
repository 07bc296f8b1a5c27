// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { checkCalibration, costsOf, readLines } from '../../src/kernel-dev/bench.js';
import { faultRows, percent, zoneTable } from '../../src/kernel-dev/bench-tables.js';

const fault = (kind: string, where: string, medianTicks: number) =>
  `{"name":"fault","kind":"${kind}","where":"${where}","count":9,"medianTicks":${medianTicks},"meanTicks":1,"meanNs":1}`;

t.test('faults are set beside those of the unpatched kernel', async (t) => {
  const unpatched = readLines(`noise\n${fault('anon', 'outside', 1000)}\n`);
  const patched = readLines(
    [
      fault('anon', 'outside', 1002),
      fault('anon', 'zone', 995),
      fault('anon', 'large-zone', 999),
      fault('anon', 'outside-with-zone', 1001),
    ].join('\n'),
  );
  const costs = costsOf(unpatched, patched, ({ medianTicks }) => medianTicks);
  t.same(costs, [
    {
      kind: 'anon',
      unpatched: 1000,
      outside: 1002,
      outsideWithZone: 1001,
      zone: 995,
      largeZone: 999,
    },
  ]);
  t.same(faultRows('instructions', costs), [
    [
      'anon, instructions',
      ...['1000', '1002 (+0.20 %)', '1001 (+0.10 %)', '995 (-0.50 %)', '999 (-0.10 %)'],
    ],
  ]);
});

t.test('a kind that was not measured everywhere is an error', async (t) => {
  const unpatched = readLines(fault('anon', 'outside', 1000));
  t.throws(() => costsOf(unpatched, [], ({ medianTicks }) => medianTicks), /anon faults outside/);
});

t.test('what the program prints is checked', async (t) => {
  t.throws(() => readLines('{"name":"fault"}'), /something else/);
  t.throws(() => readLines('{"name":'), /something else/);
});

t.test('a clock that does not count instructions is refused', async (t) => {
  const line = { name: 'calibration', instructions: 100_000 } as const;
  t.same(checkCalibration({ ...line, ticks: 100_005 }), { instructions: 100_000, ticks: 100_005 });
  t.throws(() => checkCalibration({ ...line, ticks: 260_000 }), /260000 ticks/);
  t.throws(() => checkCalibration(undefined), /0 ticks/);
});

t.test('a table of many zones, beside the prototype', async (t) => {
  const zones = [1, 512].map((count) => ({
    name: 'plug',
    zones: count,
    count: 3,
    medianNs: 800_000 + count,
  }));
  const reports = [{ name: 'report-size' as const, zones: 1, pages: 8192, ranges: 1 }];
  const { head, rows } = zoneTable({ zones, reports });
  t.same(head.slice(1), ['>1', '>512', '>PROTOTYPE', '>HOTPLUG']);
  t.same(rows[0]?.slice(1), ['0.80 ms', '0.80 ms', '0.86 ms', '13 - 34 ms']);
  t.same(rows.at(-1)?.slice(1, 3), ['8192 in 1', '']);
});

t.test('percent', async (t) => {
  t.equal(percent(101, 100), '+1.00 %');
  t.equal(percent(99.5, 100), '-0.50 %');
});
