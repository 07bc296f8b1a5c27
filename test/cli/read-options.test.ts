// SPDX-License-Identifier: Apache-2.0
// Words of the command line to values.
import t from 'tap';
import {
  readCount,
  readCpu,
  readDuration,
  readPair,
  readSize,
} from '../../src/cli/read-options.js';
import { age, duration, table } from '../../src/cli/table.js';

const wrong = { code: 'INVALID_ARGUMENT', field: '--x' };

t.test('sizes, counts, CPUs, durations, pairs', (t) => {
  t.equal(readSize('--x', '64MiB'), 67_108_864);
  t.equal(readSize('--x', '1.5k'), 1536);
  t.equal(readCount('--x', '8', 1, 8), 8);
  t.equal(readCpu('--x', '0.25'), 250);
  t.equal(readCpu('--x', '750m'), 750);
  t.equal(readDuration('--x', '500ms'), 500);
  t.equal(readDuration('--x', '1.5s'), 1500);
  t.equal(readDuration('--x', '2'), 2000);
  t.equal(readDuration('--x', '5m'), 300_000);
  t.strictSame(readPair('--x', 'a=b=c'), ['a', 'b=c']);
  t.strictSame(readPair('--x', 'a='), ['a', '']);
  t.end();
});

t.test('what is none is refused and the option named', (t) => {
  for (const text of ['', 'MiB', '-1', '1e9', '1 TiB', '12x', '9'.repeat(30)]) {
    t.throws(() => readSize('--x', text), wrong, `size ${text}`);
  }
  for (const text of ['', '0', '9', '1.5', '-1', '0x5', '1e0', ' 5']) {
    t.throws(() => readCount('--x', text, 1, 8), wrong, `count ${text}`);
  }
  for (const text of ['', '1.23456', '-1', 'all', '1.5mm']) {
    t.throws(() => readCpu('--x', text), wrong, `cpu ${text}`);
  }
  for (const text of ['', '5 h', '-1s', '0.0001s', 'ms']) {
    t.throws(() => readDuration('--x', text), wrong, `duration ${text}`);
  }
  for (const text of ['', 'a', '=b']) t.throws(() => readPair('--x', text), wrong);
  t.end();
});

t.test('tables align, and nothing trails', (t) => {
  t.equal(
    table(
      ['NAME', '>SIZE', 'END'],
      [
        ['a', '10 MiB', '-'],
        ['long-name', '1 B', ''],
      ],
    ),
    ['NAME         SIZE  END', 'a          10 MiB  -', 'long-name     1 B'].join('\n'),
  );
  t.end();
});

t.test('times for people', (t) => {
  t.strictSame([850, 1_234, 45_600, 3_456_000, 61_000_000].map(duration), [
    '850 µs',
    '1.2 ms',
    '46 ms',
    '3.46 s',
    '61.0 s',
  ]);
  const now = new Date(1_000_000_000_000);
  const ago = (seconds: number) => age(new Date(now.getTime() - seconds * 1000), now);
  t.strictSame([5, 119, 600, 7_200, 200_000, -5].map(ago), [
    '5 s',
    '119 s',
    '10 min',
    '2 h',
    '2 d',
    '0 s',
  ]);
  t.end();
});
