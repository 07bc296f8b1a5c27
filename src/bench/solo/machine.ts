// SPDX-License-Identifier: Apache-2.0
// What VMs with a single container run: the function that a node runs beside them.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { defaultCacheDir } from '../../artifacts/cache.js';
import type { BenchContext } from '../question.js';
import { commandOf, digestOf, flattenedPath } from './image.js';
import type { SoloMachine } from './solo-vm.js';

export const FUNCTION_ID = 'html';
export const REQUEST_PATH = '/?rows=20';

/** Its image is there once a node has started it, and so flattened it. */
export async function soloMachine(context: BenchContext): Promise<SoloMachine> {
  const { machine } = context;
  const benchGuest = await context.ensure('bench-guest');
  const { stdout } = await promisify(execFile)(join(benchGuest, 'tsc'));
  const layout = await context.ensure(`function-${FUNCTION_ID}`);
  return {
    qemuPath: machine.qemuPath,
    accelerator: machine.accelerator,
    kernelPath: machine.kernels.czone,
    tscKhz: z.coerce.number().int().positive().parse(stdout.trim()),
    initramfsPath: join(benchGuest, 'solo.cpio.gz'),
    imagePath: flattenedPath(defaultCacheDir(), await digestOf(layout)),
    command: await commandOf(layout),
    requestPath: REQUEST_PATH,
    signal: context.signal,
  };
}
