// SPDX-License-Identifier: Apache-2.0
// CzoneError to gRPC status and back: the one table of both ends.
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CzoneError, type ErrorCode, messageOf } from '../protocol/errors.js';
import { NoNodeError } from './no-node.js';
import { decodeStatus, encodeStatus, STATUS_DETAILS_KEY } from './status-details.js';

const STATUS_OF: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  ABORTED: status.ABORTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  UNAVAILABLE: status.UNAVAILABLE,
  INTERNAL: status.INTERNAL,
};

const CODE_OF = new Map<status, ErrorCode>([
  ...Object.entries(STATUS_OF).map(([code, value]) => [value, code as ErrorCode] as const),
  [status.CANCELLED, 'ABORTED'],
  // A method that the node does not know: another version than the client's.
  [status.UNIMPLEMENTED, 'FAILED_PRECONDITION'],
]);

/** What a service answers with; anything but a CzoneError is a fault of the node. */
export function toStatus(error: unknown): {
  code: status;
  details: string;
  metadata: Metadata;
} {
  const code = error instanceof CzoneError ? error.code : 'INTERNAL';
  const field = error instanceof CzoneError ? error.field : null;
  const message =
    error instanceof CzoneError ? error.message : `the node failed: ${messageOf(error)}`;
  const metadata = new Metadata();
  const value = STATUS_OF[code];
  metadata.set(STATUS_DETAILS_KEY, encodeStatus(value, message, { reason: code, field }));
  return { code: value, details: message, metadata };
}

/** The error that a call failed with. `socketPath` is for the reader of the message. */
export function fromStatus(error: ServiceError, socketPath: string): CzoneError {
  const packed = error.metadata?.get(STATUS_DETAILS_KEY)[0];
  const details = Buffer.isBuffer(packed) ? decodeStatus(packed) : null;
  if (details !== null && details.reason in STATUS_OF) {
    return new CzoneError(details.reason as ErrorCode, error.details, {
      cause: error,
      ...(details.field === null ? {} : { field: details.field }),
    });
  }
  if (error.code === status.UNAVAILABLE) {
    return new NoNodeError(unavailable(error.details, socketPath), socketPath, error);
  }
  const code = CODE_OF.get(error.code) ?? 'INTERNAL';
  const message =
    error.code === status.CANCELLED
      ? 'the call was cancelled'
      : error.code === status.DEADLINE_EXCEEDED
        ? `the node at ${socketPath} did not answer in time`
        : error.code === status.UNIMPLEMENTED
          ? `the node at ${socketPath} does not know this call; it is of another version`
          : error.details;
  return new CzoneError(code, message, { cause: error });
}

function unavailable(details: string, socketPath: string): string {
  if (/EACCES|EPERM/.test(details)) {
    return `the socket ${socketPath} is not yours to open; call as the user that runs the node`;
  }
  // "No address added out of total 1 resolved" is how a stale socket looks.
  if (/No connection established|No address added|ENOENT|ECONNREFUSED|ENOTSOCK/.test(details)) {
    return `no node runs at ${socketPath}; start one with ./czone node start`;
  }
  return `the node at ${socketPath} went away during the call; see ./czone ps`;
}
