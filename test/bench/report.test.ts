// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readBenchFile } from '../../src/bench/files.js';
import { ALL_QUESTIONS } from '../../src/bench/questions/all.js';
import { benchmarksPage, markdownTable } from '../../src/bench/report/markdown.js';
import { writeReport } from '../../src/bench/report/write.js';
import { b1Measurements, benchFile } from './fixture.js';

const file = benchFile(b1Measurements(200));

t.test('the page tells machine, command, bar and what was not met', async (t) => {
  const page = benchmarksPage(file, ALL_QUESTIONS);
  t.match(page, 'A processor, 2 processors');
  t.match(page, 'software emulation');
  t.match(page, '`./czone bench b1`, 2026-11-27, commit abcdef, 61 s.');
  t.match(
    page,
    /\| B1 \| 128 MiB, 4KiB pages: time .* \| 1\.99× \| at most 1\.1× \| \*\*no\*\* \|/,
  );
  t.match(page, /B2, .*not in this run/);
  t.notMatch(page, 'other work');
});

t.test('a busy machine is told', async (t) => {
  const results = file.results.map((result) => ({ ...result, loadBefore: 3.5 }));
  t.match(benchmarksPage({ ...file, results }, ALL_QUESTIONS), /other work \(load 3\.5/);
});

t.test('a bar in a cell does not end it', async (t) => {
  t.equal(markdownTable(['A', '>B'], [['x|y', '1']]), '| A | B |\n| --- | --: |\n| x\\|y | 1 |');
});

t.test('page and plots are written, and results are read back', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'czone-report-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const results = join(dir, 'results.json');
  await writeFile(results, JSON.stringify(file));
  const written = await writeReport(await readBenchFile(results), ALL_QUESTIONS, dir);
  t.same(written, [join(dir, 'benchmarks.md'), join(dir, 'benchmarks/b1-4KiB.svg')]);
  const svg = await readFile(join(dir, 'benchmarks/b1-4KiB.svg'), 'utf8');
  t.match(svg, /^<svg/);
  for (const text of ['bare fallocate', 'virtio-mem \\(stock\\)', 'container, MiB']) {
    t.match(svg, new RegExp(text));
  }
});

t.test('another file is refused with what is wrong', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'czone-report-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const path = join(dir, 'results.json');
  await t.rejects(readBenchFile(path), { code: 'NOT_FOUND' });
  await writeFile(path, JSON.stringify({ ...file, version: 2 }));
  await t.rejects(readBenchFile(path), { code: 'INVALID_ARGUMENT', message: /version/ });
});
