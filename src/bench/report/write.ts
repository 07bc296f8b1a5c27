// SPDX-License-Identifier: Apache-2.0
// Writes the page and its plots.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchFile } from '../measurement.js';
import type { Question } from '../question.js';
import { benchmarksPage, PLOT_DIR } from './markdown.js';
import { drawSvg } from './svg.js';

/** `outDir`/benchmarks.md and `outDir`/benchmarks/NAME.svg. Answers with their paths. */
export async function writeReport(
  file: BenchFile,
  questions: readonly Question[],
  outDir: string,
): Promise<string[]> {
  const plotDir = join(outDir, PLOT_DIR);
  await mkdir(plotDir, { recursive: true });
  const page = join(outDir, 'benchmarks.md');
  await writeFile(page, benchmarksPage(file, questions));
  const written = [page];
  for (const { question: name, measurements } of file.results) {
    const question = questions.find((item) => item.name === name);
    for (const plot of question?.plots(measurements) ?? []) {
      const path = join(plotDir, `${plot.name}.svg`);
      await writeFile(path, await drawSvg(plot.spec, plot.title));
      written.push(path);
    }
  }
  return written;
}
