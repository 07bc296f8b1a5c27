// SPDX-License-Identifier: Apache-2.0
// All questions of the bench in their quick form, by the command that a user calls: that
// it runs, and that what comes out is possible. How good it is, a full run says.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readBenchFile } from '../../src/bench/files.js';
import { ALL_QUESTIONS } from '../../src/bench/questions/all.js';
import { CLI } from './node-under-test.js';

t.setTimeout(40 * 60_000);

await t.test('bench all --quick', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'results.json');
  const args = [CLI, 'bench', 'all', '--quick', '--json', path, '--out', dir];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  t.equal(status, 0, stderr.slice(-2000));
  const { results } = await readBenchFile(path);
  t.strictSame(
    results.map(({ question }) => question),
    ALL_QUESTIONS.map(({ name }) => name),
    'every question has been asked',
  );
  for (const { question: name, measurements } of results) {
    const question = ALL_QUESTIONS.find((one) => one.name === name);
    for (const { key, value } of question?.guarded(measurements) ?? []) {
      t.ok(Number.isFinite(value) && value > 0, `${key} is ${value}`);
      if (key.startsWith('b1/returned/')) t.equal(value, 1, `${key}: every byte came back`);
    }
    for (const { of, what, values } of measurements) {
      t.ok(
        values.length > 0 && values.every((value) => Number.isFinite(value) && value >= 0),
        `${name}: ${of} ${what}`,
      );
    }
  }
  const page = readFileSync(join(dir, 'benchmarks.md'), 'utf8');
  for (const { title } of ALL_QUESTIONS) t.ok(page.includes(title), title);
  const plots = readdirSync(join(dir, 'benchmarks'));
  t.ok(plots.length >= ALL_QUESTIONS.length, `plots: ${plots.join(', ')}`);
});
