// SPDX-License-Identifier: Apache-2.0
// Makes the guest daemon one file, dist/guest/daemon.cjs; its addon is loaded from
// beside it. Run with the project's root as the working directory.
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };

await build({
  entryPoints: ['src/guest/main.ts'],
  outfile: 'dist/guest/daemon.cjs',
  bundle: true,
  minify: true,
  // Names in stack traces.
  keepNames: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  legalComments: 'none',
  define: { CZONE_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
