// SPDX-License-Identifier: Apache-2.0
// The static checks: which there are, and what each runs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesWithoutLicence } from './licences.js';
import { localNames } from './local-names.js';
import { differingHeaders } from './wire-headers.js';

/** A command line, or a function that names what is wrong. */
export type Check =
  | { readonly name: string; readonly command: readonly [string, ...string[]] }
  | { readonly name: string; readonly problems: () => readonly string[] };

const SHELL_LINE = /^#!\s*\/(usr\/)?bin\/(env )?(ba|da)?sh\b/;
const NATIVE = /^native\/.*\.(c|cc|cpp|h)$/;
// Linux's own style, kept equal to the kernel's copies.
const KERNEL_STYLE = /^native\/include\/linux\//;

function isShell(root: string, path: string): boolean {
  if (/\.sh$/.test(path)) return true;
  if (/\.[a-z0-9]+$/i.test(path)) return false;
  return SHELL_LINE.test(readFileSync(join(root, path), 'utf8').slice(0, 64));
}

/** Longest first, so that the whole takes as long as its longest parts. */
export function staticChecks(root: string, files: readonly string[]): Check[] {
  const native = files.filter((path) => NATIVE.test(path) && !KERNEL_STYLE.test(path));
  const shell = files.filter((path) => isShell(root, path));
  return [
    { name: 'eslint (types)', command: ['eslint', '.'] },
    { name: 'shellcheck', command: ['shellcheck', '-x', ...shell] },
    { name: 'module rules', command: ['depcruise', 'src', 'test', '--output-type', 'err'] },
    { name: 'knip (dead code)', command: ['knip', '--no-progress', '--no-config-hints'] },
    { name: 'buf lint', command: ['buf', 'lint'] },
    { name: 'biome (format, lint)', command: ['biome', 'check', '--error-on-warnings', '.'] },
    {
      name: 'clang-format',
      command: ['clang-format', '--dry-run', '-Werror', '--ferror-limit=1', ...native],
    },
    { name: 'licence lines', problems: () => filesWithoutLicence(root, files) },
    { name: 'wire headers equal', problems: () => differingHeaders(root) },
    { name: 'no local names', problems: () => localNames(root, files) },
  ];
}
