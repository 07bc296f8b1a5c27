// SPDX-License-Identifier: Apache-2.0
// Writes the report's files.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demoPage } from './html/page.js';
import type { DemoReport } from './report.js';

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

export async function writeReport(
  report: DemoReport,
  paths: { readonly json: string; readonly html: string },
): Promise<void> {
  await write(paths.json, `${JSON.stringify(report, null, 1)}\n`);
  await write(paths.html, demoPage(report));
}
