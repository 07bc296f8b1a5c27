// SPDX-License-Identifier: Apache-2.0
// The one error class that crosses rooms, with a closed set of codes.

/** Each maps to one gRPC status (src/node-api/status.ts) and one exit code of the CLI. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'RESOURCE_EXHAUSTED'
  | 'ABORTED'
  | 'DEADLINE_EXCEEDED'
  | 'UNAVAILABLE'
  | 'INTERNAL';

/**
 * An error for a person: what failed, on which object, and what to do.
 * `field` names the request's field of an INVALID_ARGUMENT.
 */
export class CzoneError extends Error {
  override readonly name = 'CzoneError';
  readonly code: ErrorCode;
  readonly field: string | null;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; field?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options?.field ?? null;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
