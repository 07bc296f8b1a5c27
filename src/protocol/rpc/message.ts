// SPDX-License-Identifier: Apache-2.0
// Calls and their answers, as bytes of one session of the link (big endian):
//
//   0  u32 length of the body    4  u32 number of the call    8  u8 kind    9  u8 code
//  10  u16 zero                 12  body
//
// A session keeps bytes whole and in order, so these need no checksum and no resync: a
// message that makes no sense ends the session.
import type { ErrorCode } from '../errors.js';

export const MESSAGE_HEADER_BYTES = 12;

export const MESSAGE_KINDS = {
  /** Body: u8 length of the method's name, the name, the request. */
  call: 1,
  /** Body: the response. Of a stream it is the end, and empty. */
  answer: 2,
  /** Code: why. Body: words, UTF-8. */
  failure: 3,
  /** One response of a stream. */
  item: 4,
  /** Call 0: is there somebody? No body. */
  ping: 5,
  /** Call 0: yes. No body. */
  pong: 6,
} as const;
export type MessageKind = (typeof MESSAGE_KINDS)[keyof typeof MESSAGE_KINDS];

export interface Message {
  readonly kind: MessageKind;
  readonly callId: number;
  /** Of a failure; else 0. */
  readonly code: number;
  readonly body: Uint8Array;
}

const KINDS: ReadonlySet<number> = new Set(Object.values(MESSAGE_KINDS));

/** The numbers are gRPC's. */
const CODES: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
};
const CODE_NAMES = new Map(
  Object.entries(CODES).map(([name, code]) => [code, name as ErrorCode] as const),
);

export function codeNumber(code: ErrorCode): number {
  return CODES[code];
}

/** INTERNAL for one that is not known. */
export function codeName(code: number): ErrorCode {
  return CODE_NAMES.get(code) ?? 'INTERNAL';
}

export function encodeMessage({ kind, callId, code, body }: Message): Buffer {
  const bytes = Buffer.allocUnsafe(MESSAGE_HEADER_BYTES + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeUInt32BE(callId, 4);
  bytes.writeUInt8(kind, 8);
  bytes.writeUInt8(code, 9);
  bytes.writeUInt16BE(0, 10);
  bytes.set(body, MESSAGE_HEADER_BYTES);
  return bytes;
}

/**
 * Finds the messages in a session's bytes, however those are cut: into single bytes,
 * perhaps, so that pieces are copied together and not kept.
 */
export class MessageReader {
  readonly #bodyMaxBytes: number;
  readonly #onMessage: (message: Message) => void;
  readonly #header = Buffer.alloc(MESSAGE_HEADER_BYTES);
  #headerBytes = 0;
  #body: Buffer | null = null;
  #bodyBytes = 0;

  constructor(bodyMaxBytes: number, onMessage: (message: Message) => void) {
    this.#bodyMaxBytes = bodyMaxBytes;
    this.#onMessage = onMessage;
  }

  /** Throws at what is no message, or too large a one; and what `onMessage` throws. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#body === null) {
        const copied = chunk.copy(this.#header, this.#headerBytes, at);
        at += copied;
        this.#headerBytes += copied;
        if (this.#headerBytes < MESSAGE_HEADER_BYTES) return;
        this.#body = Buffer.allocUnsafe(this.#announcedBytes());
        this.#bodyBytes = 0;
      }
      const copied = chunk.copy(this.#body, this.#bodyBytes, at);
      at += copied;
      this.#bodyBytes += copied;
      if (this.#bodyBytes === this.#body.length) this.#finish(this.#body);
    }
  }

  #finish(body: Buffer): void {
    this.#body = null;
    this.#headerBytes = 0;
    this.#onMessage({
      kind: this.#header.readUInt8(8) as MessageKind,
      callId: this.#header.readUInt32BE(4),
      code: this.#header.readUInt8(9),
      body,
    });
  }

  #announcedBytes(): number {
    const kind = this.#header.readUInt8(8);
    if (!KINDS.has(kind) || this.#header.readUInt16BE(10) !== 0) {
      throw new Error(`a message of kind ${kind} is not known`);
    }
    const length = this.#header.readUInt32BE(0);
    if (length > this.#bodyMaxBytes) {
      throw new Error(`a message has ${length} bytes, ${this.#bodyMaxBytes} are allowed`);
    }
    return length;
  }
}
