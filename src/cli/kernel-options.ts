// SPDX-License-Identifier: Apache-2.0
// What the `czone kernel` commands have in common: which tree, which flavour, and
// the build before each use.
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BuiltKernel } from '../kernel-dev/build.js';
import type { Flavour } from '../kernel-dev/places.js';
import type { Work } from '../kernel-dev/script.js';
import type { Tree } from '../kernel-dev/tree.js';
import { CzoneError } from '../protocol/errors.js';
import { buildProgress } from './build-progress.js';
import { jsonOption, type Run } from './command.js';

export interface KernelOptions {
  readonly tree?: string;
  readonly debug?: boolean;
  readonly release?: boolean;
}

export function kernelOptions(command: Command): Command {
  return jsonOption(command)
    .option('--tree <dir>', 'a kernel tree (default: the one of `czone kernel tree`)')
    .option('--debug', 'the kernel that checks itself (default)')
    .option('--release', 'the kernel as it is used, with what the selftests need');
}

export function flavourOf(options: KernelOptions): Flavour {
  if (options.debug === true && options.release === true) {
    throw new CzoneError('INVALID_ARGUMENT', '--debug and --release exclude each other', {
      field: '--release',
    });
  }
  return options.release === true ? 'release' : 'debug';
}

export async function workOf(run: Run): Promise<Work> {
  const { defaultCacheDir } = await import('../artifacts/cache.js');
  return {
    cacheDir: defaultCacheDir(),
    signal: run.signal,
    onProgress: buildProgress((line) => run.output.note(line)),
  };
}

/** Says so when the checkout's series has changed since the tree was made. */
export function noteStale(run: Run, tree: Tree): void {
  if (!tree.stale) return;
  run.output.note(
    `czone: note: ${tree.dir} was made of another series than guest-kernel-patches/series holds ` +
      "now; unless that was exported from it, 'czone kernel tree --renew' makes it anew",
  );
}

export async function buildFor(run: Run, options: KernelOptions): Promise<BuiltKernel> {
  const flavour = flavourOf(options);
  const { ensureTree } = await import('../kernel-dev/tree.js');
  const { buildKernel } = await import('../kernel-dev/build.js');
  const work = await workOf(run);
  const tree = await ensureTree(work, options.tree ?? null);
  noteStale(run, tree);
  return buildKernel(work, tree.dir, flavour);
}

/** FAILED_PRECONDITION where the tree has no selftests, whose init boots it. */
export function initramfsOf(kernel: BuiltKernel): string {
  if (kernel.initramfsPath !== null) return kernel.initramfsPath;
  throw new CzoneError(
    'FAILED_PRECONDITION',
    `${kernel.tree} has no tools/testing/selftests/czone; there is nothing to boot to`,
  );
}

export async function qemuFor(run: Run): Promise<string> {
  return join(await artifactFor(run, 'qemu'), 'qemu-system-x86_64');
}

export async function artifactFor(run: Run, name: string): Promise<string> {
  const { ensureArtifact } = await import('../artifacts/ensure.js');
  const { onProgress } = await workOf(run);
  return (await ensureArtifact(name, { signal: run.signal, onProgress })).dir;
}
