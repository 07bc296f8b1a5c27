// SPDX-License-Identifier: Apache-2.0
// What VMs with a single container run: the function that a node runs beside them.
import { join } from 'node:path';
import { defaultCacheDir } from '../../artifacts/cache.js';
import type { BenchContext } from '../question.js';
import { commandOf, flattenedPath } from './image.js';
import type { SoloMachine } from './solo-vm.js';

export const FUNCTION_ID = 'html';
export const REQUEST_PATH = '/?rows=20';

/** `digest`: of the image that a node has just started, and so flattened. */
export async function soloMachine(context: BenchContext, digest: string): Promise<SoloMachine> {
  const { machine } = context;
  return {
    qemuPath: machine.qemuPath,
    accelerator: machine.accelerator,
    kernelPath: machine.kernels.czone,
    initramfsPath: join(await context.ensure('bench-guest'), 'solo.cpio.gz'),
    imagePath: flattenedPath(defaultCacheDir(), digest),
    command: await commandOf(await context.ensure(`function-${FUNCTION_ID}`)),
    requestPath: REQUEST_PATH,
    signal: context.signal,
  };
}
