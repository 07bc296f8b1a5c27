// SPDX-License-Identifier: Apache-2.0
// Which QEMU runs the VMs, and what it can do.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CzoneError, messageOf } from '../../protocol/errors.js';

export interface VmmBinary {
  readonly path: string;
  /** Before every other argument, e.g. for a private loader; usually none. */
  readonly leadingArguments: readonly string[];
  readonly version: string;
}

/** The first version that carries a generic vhost-user device for users. */
export const OLDEST_VMM = '10.2';

/** Asks a binary for its version. FAILED_PRECONDITION when it can't serve. */
export async function examineVmm(path: string): Promise<VmmBinary> {
  let text: string;
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    text = stdout;
  } catch (error) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `no QEMU at ${path}: build the private one with './czone images', or name another with --qemu`,
      { cause: error },
    );
  }
  const version = parseVersion(text);
  if (version === null) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `${path} does not say which QEMU it is (${messageOf(text.slice(0, 80))})`,
    );
  }
  if (!isAtLeast(version, OLDEST_VMM)) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `QEMU ${version} at ${path} is too old: ${OLDEST_VMM} or newer is needed; ` +
        `build the private one with './czone images'`,
    );
  }
  return { path, leadingArguments: [], version };
}

export function parseVersion(text: string): string | null {
  return /QEMU emulator version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1] ?? null;
}

export function isAtLeast(version: string, least: string): boolean {
  const left = version.split('.').map(Number);
  const right = least.split('.').map(Number);
  for (const [index, wanted] of right.entries()) {
    const have = left[index] ?? 0;
    if (have !== wanted) return have > wanted;
  }
  return true;
}
