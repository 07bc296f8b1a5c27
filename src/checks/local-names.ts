// SPDX-License-Identifier: Apache-2.0
// Nothing that lands may tie the project to one machine: no path of this
// checkout, and no registry in the lock file.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const TEXT_MAX_BYTES = 4 * 1024 * 1024;

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** What is wrong, one line each. */
export function localNames(root: string, files: readonly string[]): string[] {
  const problems: string[] = [];
  // A checkout right below / has a name too common to look for.
  const ownPath = root.split('/').length > 2 ? new RegExp(`${escaped(root)}(?![\\w.-])`) : null;
  for (const path of files) {
    const bytes = readFileSync(join(root, path));
    if (bytes.length > TEXT_MAX_BYTES || bytes.includes(0)) continue;
    const text = bytes.toString('utf8');
    if (ownPath?.test(text)) problems.push(`${path} names the path of this checkout`);
    if (path === 'package-lock.json' && text.includes('"resolved": "http')) {
      problems.push(
        'package-lock.json names a registry: npm config set omit-lockfile-registry-resolved true, ' +
          'then npm install --package-lock-only',
      );
    }
  }
  return problems;
}
