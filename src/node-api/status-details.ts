// SPDX-License-Identifier: Apache-2.0
// google.rpc.Status with ErrorInfo and BadRequest, as it travels in the trailer
// `grpc-status-details-bin`. Three small messages, so written by hand:
// google/rpc/status.proto and google/rpc/error_details.proto name the fields.
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';
const DOMAIN = 'czone';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

export interface StatusDetails {
  /** ErrorInfo.reason: an ErrorCode. */
  readonly reason: string;
  /** BadRequest.field_violations[0].field; null: no field is at fault. */
  readonly field: string | null;
}

export function encodeStatus(code: number, message: string, details: StatusDetails): Buffer {
  const status = new BinaryWriter();
  status.uint32(8).int32(code);
  status.uint32(18).string(message);
  const info = new BinaryWriter();
  info.uint32(10).string(details.reason);
  info.uint32(18).string(DOMAIN);
  appendAny(status, ERROR_INFO, info.finish());
  if (details.field !== null) {
    const badRequest = new BinaryWriter();
    badRequest.uint32(10).fork();
    badRequest.uint32(10).string(details.field);
    badRequest.uint32(18).string(message);
    badRequest.join();
    appendAny(status, BAD_REQUEST, badRequest.finish());
  }
  return Buffer.from(status.finish());
}

function appendAny(status: BinaryWriter, typeUrl: string, value: Uint8Array): void {
  status.uint32(26).fork();
  status.uint32(10).string(typeUrl);
  status.uint32(18).bytes(value);
  status.join();
}

/** null where the bytes are no Status of ours. */
export function decodeStatus(bytes: Uint8Array): StatusDetails | null {
  let reason: string | null = null;
  let field: string | null = null;
  try {
    for (const [number, value] of fieldsOf(bytes)) {
      if (number !== 3) continue;
      const any = new Map(fieldsOf(value));
      const typeUrl = text(any.get(1));
      const body = any.get(2) ?? new Uint8Array();
      if (typeUrl === ERROR_INFO) {
        const info = new Map(fieldsOf(body));
        if (text(info.get(2)) === DOMAIN) reason = text(info.get(1));
      } else if (typeUrl === BAD_REQUEST) {
        const violation = new Map(fieldsOf(body)).get(1);
        if (violation) field = text(new Map(fieldsOf(violation)).get(1));
      }
    }
  } catch {
    return null; // cut short or not protobuf
  }
  return reason === null ? null : { reason, field };
}

/** The length-delimited fields of a message. */
function fieldsOf(bytes: Uint8Array): [number: number, value: Uint8Array][] {
  const reader = new BinaryReader(bytes);
  const fields: [number, Uint8Array][] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === 2) fields.push([number, reader.bytes()]);
    else reader.skip(wireType);
  }
  return fields;
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
