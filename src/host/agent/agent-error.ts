// SPDX-License-Identifier: Apache-2.0
// Errors of calls to the guest daemon, told of what they were about.
import { CzoneError, messageOf } from '../../protocol/errors.js';
import { printable } from './printable.js';

/** The guest's own words are kept, bounded: they come from another trust domain. */
export function agentError(what: string, error: unknown): CzoneError {
  const code = error instanceof CzoneError ? error.code : 'INTERNAL';
  const told = printable(messageOf(error), 500);
  // The guest mostly names the object itself.
  const message = told.toLowerCase().startsWith(what.toLowerCase()) ? told : `${what}: ${told}`;
  return new CzoneError(code, message, { cause: error });
}
