// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { decodeWaitStatus, readKeptExit, readStartTime } from '../../src/guest/process.js';

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

t.test('decodes wait statuses', async (t) => {
  t.strictSame(decodeWaitStatus(0), { exitCode: 0, signal: null });
  t.strictSame(decodeWaitStatus(0x2a00), { exitCode: 42, signal: null });
  t.strictSame(decodeWaitStatus(9), { exitCode: null, signal: 9 });
  t.strictSame(decodeWaitStatus(0x80 | 11), { exitCode: null, signal: 11 });
});
