// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { buildProgress } from '../../src/cli/build-progress.js';

t.test('new steps are told, quick ones and repeated ones are not', async (t) => {
  const lines: string[] = [];
  let nowMs = 0;
  const tell = buildProgress(
    (line) => lines.push(line),
    () => nowMs,
  );
  const at = (ms: number, done: number, what: string, artifact = 'kernel') => {
    nowMs = ms;
    tell({ artifact, done, total: 1000, what });
  };
  at(0, 0, 'unpack');
  at(500, 10, 'patch');
  at(1_500, 20, 'compile');
  at(1_600, 0, 'download', 'qemu');
  at(9_000, 300, 'compile');
  at(17_000, 555, 'compile');
  t.same(
    lines.map((line) => line.replace(/\s+/g, ' ')),
    [
      'czone: kernel 0 % unpack',
      'czone: kernel 2 % compile',
      'czone: qemu 0 % download',
      'czone: kernel 55 % compile',
    ],
  );
});
