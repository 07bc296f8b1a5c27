// SPDX-License-Identifier: Apache-2.0
// Errors of the guest daemon's gRPC as errors of ours.
import { status } from '@grpc/grpc-js';
import { CzoneError, type ErrorCode, messageOf } from '../../protocol/errors.js';
import { printable } from './printable.js';

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.NOT_FOUND, 'NOT_FOUND'],
  [status.ALREADY_EXISTS, 'ALREADY_EXISTS'],
  [status.FAILED_PRECONDITION, 'FAILED_PRECONDITION'],
  [status.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED'],
  [status.ABORTED, 'ABORTED'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.CANCELLED, 'ABORTED'],
]);

/** The guest's own words are kept, bounded: they come from another trust domain. */
export function agentError(what: string, error: unknown): CzoneError {
  const { code, details } = error as { code?: unknown; details?: unknown };
  const known = typeof code === 'number' ? CODES.get(code) : undefined;
  const text = typeof details === 'string' && details !== '' ? details : messageOf(error);
  const told = printable(text, 500);
  // The guest mostly names the object itself.
  const message = told.toLowerCase().startsWith(what.toLowerCase()) ? told : `${what}: ${told}`;
  return new CzoneError(known ?? 'INTERNAL', message, { cause: error });
}
