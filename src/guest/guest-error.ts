// SPDX-License-Identifier: Apache-2.0
// Errors of the daemon's work: which step failed on which object.
import { CzoneError, type ErrorCode, messageOf } from '../protocol/errors.js';

/** Codes of the kernel that mean something better than INTERNAL to the caller. */
const KERNEL_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  EBUSY: 'FAILED_PRECONDITION',
  ENOMEM: 'RESOURCE_EXHAUSTED',
  ENOSPC: 'RESOURCE_EXHAUSTED',
};

/** Runs one step; what it throws is named after step and object. */
export async function step<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CzoneError) throw error;
    const code = (error as { code?: unknown }).code;
    const known = typeof code === 'string' ? KERNEL_CODES[code] : undefined;
    throw new CzoneError(known ?? 'INTERNAL', `${what}: ${messageOf(error)}`, { cause: error });
  }
}
