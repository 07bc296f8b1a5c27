// SPDX-License-Identifier: Apache-2.0
// What can be built: script, what it reads, what it leaves, how much room it needs.
// Paths are relative to the checkout.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CzoneError } from '../protocol/errors.js';
import { MIB } from '../protocol/units.js';

export type ArtifactName =
  | 'kernel'
  | 'kernel-debug'
  | 'kernel-bench'
  | 'kernel-bench-stock'
  | 'bench-guest'
  | 'qemu'
  | 'rootfs-base'
  | 'rootfs'
  | `function-${string}`;

export interface Recipe {
  readonly name: ArtifactName;
  /** Called with these and then the output directory. */
  readonly command: readonly [script: string, ...args: string[]];
  readonly inputs: readonly string[];
  /** Built things that it takes, by the variable that tells the script where. */
  readonly needs: readonly { readonly variable: string; readonly artifact: ArtifactName }[];
  /** Input files that the script is told of by a variable. */
  readonly files: readonly { readonly variable: string; readonly path: string }[];
  /** Must be there, and not empty, after the build. */
  readonly outputs: readonly string[];
  /** Room that a build takes at most, work files included. */
  readonly diskBytes: number;
}

const FUNCTIONS = 'vm-images/functions';
const DEBIAN = 'vm-images/debian.sh';
const SERIES = [
  'vm-images/kernel-common.sh',
  ...['BASE', 'kernel.config', 'series'].map((file) => `guest-kernel-patches/${file}`),
];

function recipe(
  name: ArtifactName,
  rest: Pick<Recipe, 'command' | 'outputs' | 'diskBytes'> & Partial<Recipe>,
): Recipe {
  const { inputs = [], needs = [], files = [], ...given } = rest;
  const [script] = given.command;
  return {
    ...given,
    name,
    needs,
    files,
    inputs: [script, ...inputs, ...files.map(({ path }) => path)],
  };
}

const FIXED: readonly Recipe[] = [
  recipe('kernel', {
    command: ['vm-images/kernel.sh', 'release'],
    inputs: SERIES,
    outputs: ['bzImage', 'config'],
    diskBytes: 2800 * MIB,
  }),
  recipe('kernel-debug', {
    command: ['vm-images/kernel.sh', 'debug'],
    inputs: [
      ...SERIES,
      'guest-kernel-patches/selftest.config',
      'guest-kernel-patches/debug.config',
    ],
    outputs: ['bzImage', 'config', 'selftests.cpio.gz'],
    diskBytes: 3200 * MIB,
  }),
  recipe('kernel-bench', {
    command: ['vm-images/kernel.sh', 'bench'],
    inputs: [...SERIES, 'guest-kernel-patches/bench.config'],
    outputs: ['bzImage', 'config', 'czone_bench', 'gen_init_cpio'],
    diskBytes: 2800 * MIB,
  }),
  recipe('kernel-bench-stock', {
    command: ['vm-images/kernel.sh', 'bench-stock'],
    inputs: [
      'vm-images/kernel-common.sh',
      ...['BASE', 'kernel.config', 'bench.config'].map((file) => `guest-kernel-patches/${file}`),
    ],
    outputs: ['bzImage', 'config'],
    diskBytes: 2800 * MIB,
  }),
  recipe('bench-guest', {
    command: ['vm-images/bench-guest.sh'],
    inputs: ['vm-images/bench', 'native/include/linux/czone.h'],
    needs: [{ variable: 'CZONE_KERNEL_BENCH', artifact: 'kernel-bench' }],
    outputs: ['initramfs.cpio.gz', 'solo.cpio.gz', 'punch', 'tsc'],
    diskBytes: 50 * MIB,
  }),
  recipe('qemu', {
    command: ['vm-images/qemu.sh'],
    inputs: [DEBIAN, 'vm-images/pins/qemu'],
    outputs: ['qemu-system-x86_64', 'bin/qemu-system-x86_64', 'version'],
    diskBytes: 600 * MIB,
  }),
  recipe('rootfs-base', {
    command: ['vm-images/rootfs.sh', 'base'],
    inputs: [DEBIAN, 'vm-images/pins/rootfs'],
    outputs: ['base.tar'],
    diskBytes: 1000 * MIB,
  }),
  recipe('rootfs', {
    command: ['vm-images/rootfs.sh'],
    inputs: [DEBIAN, 'vm-images/init', 'native/include/linux/czone.h', 'native/sandbox'],
    needs: [{ variable: 'CZONE_ROOTFS_BASE', artifact: 'rootfs-base' }],
    files: [
      { variable: 'CZONE_DAEMON_BUNDLE', path: 'dist/guest/daemon.cjs' },
      { variable: 'CZONE_GUEST_ADDON', path: 'build/Release/czone_guest.node' },
    ],
    outputs: ['rootfs.erofs'],
    diskBytes: 1000 * MIB,
  }),
];

function functionRecipe(id: string): Recipe {
  return recipe(`function-${id}`, {
    command: ['vm-images/function.sh', id],
    inputs: [
      DEBIAN,
      'vm-images/oci-layout.mjs',
      'vm-images/pins/functions',
      `${FUNCTIONS}/common`,
      `${FUNCTIONS}/${id}`,
    ],
    outputs: ['oci-layout', 'index.json', 'blobs/sha256'],
    diskBytes: 900 * MIB,
  });
}

/** Names of the functions that the checkout can build, sorted. */
export async function functionNames(checkout: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(join(checkout, FUNCTIONS))) {
    const file = join(checkout, FUNCTIONS, name, 'function.json');
    if ((await stat(file).catch(() => null))?.isFile()) found.push(name);
  }
  return found.sort();
}

/** All that the checkout can build. */
export async function allRecipes(checkout: string): Promise<Recipe[]> {
  return [...FIXED, ...(await functionNames(checkout)).map(functionRecipe)];
}

/** NOT_FOUND names what there is. */
export async function recipeOf(checkout: string, name: string): Promise<Recipe> {
  const recipes = await allRecipes(checkout);
  const found = recipes.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const known = recipes.map((candidate) => candidate.name).join(', ');
  throw new CzoneError('NOT_FOUND', `there is no artifact '${name}'; there are: ${known}`);
}
