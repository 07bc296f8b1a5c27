// SPDX-License-Identifier: Apache-2.0
// An incremental build of a tree.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Flavour, outDir } from './places.js';
import { runDevScript, type Work } from './script.js';

export interface BuiltKernel {
  readonly tree: string;
  readonly flavour: Flavour;
  readonly kernelPath: string;
  /** null: the tree has no selftests. */
  readonly initramfsPath: string | null;
  readonly testsDir: string;
  /** The program that switches the VM of a shell off. */
  readonly poweroffPath: string;
  readonly durationMs: number;
}

export async function buildKernel(
  work: Work,
  tree: string,
  flavour: Flavour,
): Promise<BuiltKernel> {
  const out = outDir(tree, flavour);
  const startMs = performance.now();
  await runDevScript(work, `${flavour} kernel`, ['build', flavour, tree]);
  const initramfsPath = join(out, 'selftests.cpio.gz');
  return {
    tree,
    flavour,
    kernelPath: join(out, 'bzImage'),
    initramfsPath: (await stat(initramfsPath).catch(() => null)) === null ? null : initramfsPath,
    testsDir: join(out, 'tests'),
    poweroffPath: join(out, 'poweroff'),
    durationMs: Math.round(performance.now() - startMs),
  };
}

/** The programs that czone_init runs, sorted. */
export async function testNames(testsDir: string): Promise<string[]> {
  const names = await readdir(testsDir).catch(() => []);
  return names.filter((name) => /^czone_.*_test$/.test(name)).sort();
}
