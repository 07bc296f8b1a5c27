// SPDX-License-Identifier: Apache-2.0
// Where a kernel developer's files lie:
//
//   CACHE/kernel-dev/linux/         the tree that the first use makes; the developer's own
//   TREE-base/                      a git work tree of it without the series
//   TREE/build-czone-FLAVOUR/czone  what was built of any tree last (vm-images/kernel-dev.sh)
import { join, resolve } from 'node:path';

export type Flavour = 'release' | 'debug';

/** null: the tree that the first use makes. */
export function treeDir(cacheDir: string, tree: string | null): string {
  return tree === null ? join(cacheDir, 'kernel-dev', 'linux') : resolve(tree);
}

/** The source without the series, for comparison. */
export function baseTreeDir(tree: string): string {
  return `${tree}-base`;
}

export function outDir(tree: string, flavour: Flavour): string {
  return join(tree, `build-czone-${flavour}`, 'czone');
}

export function lockFileOf(cacheDir: string): string {
  return join(cacheDir, 'locks', 'kernel-dev');
}
