// SPDX-License-Identifier: Apache-2.0
// How the errors of an image read: what is wrong with which, and what to do.
import { CzoneError } from '../../protocol/errors.js';

export function corrupt(layoutPath: string, detail: string, cause?: unknown): CzoneError {
  return new CzoneError(
    'FAILED_PRECONDITION',
    `image ${layoutPath} is corrupt: ${detail}; rebuild it with ./czone images --rebuild`,
    cause === undefined ? {} : { cause },
  );
}

export function unusable(layoutPath: string, detail: string): CzoneError {
  return new CzoneError('FAILED_PRECONDITION', `image ${layoutPath} can not be used: ${detail}`);
}
