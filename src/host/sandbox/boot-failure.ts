// SPDX-License-Identifier: Apache-2.0
// Why a VM did not come up: the error itself, how QEMU ended, and the console's words.
import { CzoneError, messageOf } from '../../protocol/errors.js';
import type { Vm } from '../vm/vm.js';

export async function bootFailure(
  what: string,
  vm: Vm | null,
  error: unknown,
): Promise<CzoneError> {
  const code = error instanceof CzoneError ? error.code : 'INTERNAL';
  let text = messageOf(error);
  if (vm !== null && !vm.process.alive) text = `QEMU ended ${await vm.process.ended}`;
  const tail = (await vm?.consoleTail()) ?? '';
  if (tail !== '') text += `; its console ends: ${tail}`;
  return new CzoneError(code, `${what} did not start: ${text}`, { cause: error });
}
