// SPDX-License-Identifier: Apache-2.0
// The files of a checkout, without what is built or installed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const NOT_SOURCE = new Set([
  '.git',
  '.tap',
  'build',
  'coverage',
  'czone-report',
  'dist',
  'node_modules',
]);

/** Paths relative to `root`, sorted. */
export function sourceFiles(root: string): string[] {
  const found: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (NOT_SOURCE.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  walk('');
  return found.sort();
}
