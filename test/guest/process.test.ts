// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import {
  decodeWaitStatus,
  findRuntimeOrphans,
  readKeptExit,
  readStartTime,
} from '../../src/guest/process.js';

t.test('reads the start time behind a name that looks like fields', async (t) => {
  const fields = Array.from({ length: 50 }, (_, at) => String(at + 3));
  const proc = t.testdir({
    '7': { stat: `7 (a) b (c 1 2) ${fields.join(' ')}\n` },
    '8': { stat: '8 (cut' },
  });
  t.equal(await readStartTime(proc, 7), '22');
  t.equal(await readStartTime(proc, 8), null);
  t.equal(await readStartTime(proc, 9), null);
});

t.test('reads its own start time', async (t) => {
  t.match(await readStartTime('/proc', process.pid), /^\d+$/);
});

t.test('a kept exit counts only for the very process', async (t) => {
  const exits = t.testdir({ '7': '1234 256\n', '8': '1234 25', '9': 'x\n' });
  t.strictSame(await readKeptExit(exits, 7, '1234'), { exitCode: 1, signal: null });
  t.equal(await readKeptExit(exits, 7, '1235'), null);
  t.equal(await readKeptExit(exits, 8, '1234'), null, 'half a line');
  t.equal(await readKeptExit(exits, 9, 'x'), null);
  t.equal(await readKeptExit(exits, 10, '1'), null);
});

t.test('children that crun has left are found, ended or not', async (t) => {
  const stat = (pid: number, name: string, state: string, parent = process.pid) => ({
    [pid]: { stat: `${pid} (${name}) ${state} ${parent} 1 1 0\n` },
  });
  const proc = t.testdir({
    ...stat(101, 'crun', 'Z'),
    ...stat(102, 'crun', 'R'),
    ...stat(103, 'node', 'Z'),
    ...stat(104, 'crun', 'Z', 1),
    ...stat(105, 'crun', 'S'),
    ...stat(110, 'crun', 'S'),
    ...stat(111, 'crun', 'Z'),
  });
  t.strictSame(
    await findRuntimeOrphans(proc, 100, 110, [102, 110]),
    [102, 101],
    'not another’s crun, nor the container’s own process, nor what came later',
  );
  t.strictSame(await findRuntimeOrphans(proc, 100, null, []), [101, 111], 'crun has failed');
});

t.test('decodes wait statuses', async (t) => {
  t.strictSame(decodeWaitStatus(0), { exitCode: 0, signal: null });
  t.strictSame(decodeWaitStatus(0x2a00), { exitCode: 42, signal: null });
  t.strictSame(decodeWaitStatus(9), { exitCode: null, signal: 9 });
  t.strictSame(decodeWaitStatus(0x80 | 11), { exitCode: null, signal: 11 });
});
