// SPDX-License-Identifier: Apache-2.0
// All questions of the bench, quickly: everything runs, and what is measured is sane.
// How good the figures are is for a full run on an idle machine.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { guardedOf } from '../../src/bench/compare.js';
import { readBenchFile } from '../../src/bench/files.js';
import { type Measurement, valuesOf } from '../../src/bench/measurement.js';
import { ALL_QUESTIONS } from '../../src/bench/questions/all.js';

t.setTimeout(25 * 60_000);

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** As a user calls it, in a process of its own; its errors go to the test's output. */
function czone(...words: string[]): Promise<number | null> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

await t.test('bench all --quick', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'czone-bench-test-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const path = join(dir, 'results.json');
  const code = await czone('bench', 'all', '--quick', '--json', path, '--out', dir);
  t.equal(code, 0);
  const file = await readBenchFile(path);
  const of = (name: string): readonly Measurement[] =>
    file.results.find(({ question }) => question === name)?.measurements ?? [];

  for (const { name, findings, tables } of ALL_QUESTIONS) {
    t.ok(of(name).length > 0, `${name} measures`);
    t.ok(findings(of(name)).length > 0, `${name} is judged`);
    t.ok(
      tables(of(name)).every(({ rows }) => rows.length > 0),
      `${name} has tables`,
    );
  }
  for (const measurement of file.results.flatMap(({ measurements }) => measurements)) {
    if (!measurement.values.every(Number.isFinite)) t.fail('a value is no number', measurement);
  }
  const guarded = guardedOf(file, ALL_QUESTIONS);
  t.ok(guarded.length > 0, 'there are ratios to guard');
  // That of B1 to the limit is a difference, which noise may bring below 0.
  for (const { key, value } of guarded) t.ok(value > 0 || key.startsWith('b1/limit/'), key);

  const returned = valuesOf(of('b1'), 'czone', 'returnedShare');
  t.ok(returned.length > 0 && Math.min(...returned) >= 1, 'all bytes of a killed container return');
  const least = (peer: string) => Math.min(...valuesOf(of('b1'), peer, 'returnMs'));
  t.ok(least('czone') < least('balloon'), 'sooner than by a balloon, which goes page by page');

  const page = await readFile(join(dir, 'benchmarks.md'), 'utf8');
  for (const { name, title, plots } of ALL_QUESTIONS) {
    t.ok(page.includes(title), `${name} is on the page`);
    for (const plot of plots(of(name))) {
      t.ok((await stat(join(dir, `benchmarks/${plot.name}.svg`))).size > 0, `plot ${plot.name}`);
    }
  }
});
