// SPDX-License-Identifier: Apache-2.0
// What the guest daemon and a zygote say to each other (docs/zygote.md): messages of a
// SOCK_SEQPACKET socket. A header of 16 bytes, little-endian, and a body:
//
//   0 magic "CZZ1"   4 type (u16)   6 zero (u16)   8 id of the request (u64)
//
// The daemon asks FORK, and with it come the zone's descriptor, stdout and stderr. The
// body is a count (u32) and so many texts `NAME=value`, each ended by a NUL. The zygote
// says READY once (body: the runtime's name), or REFUSED with the id 0 where it can't
// be one; it answers each FORK with FORKED, or REFUSED (nothing was done; the body says
// why), or FAILED (the fork failed; the body: errno as u32, and a text).
import { ZYGOTE_MESSAGE_MAX_BYTES, ZYGOTE_TEXT_MAX_BYTES } from './limits.js';

const MAGIC = 0x315a5a43;
const HEADER_BYTES = 16;
const TYPES = { FORK: 1, READY: 16, REFUSED: 17, FORKED: 18, FAILED: 19 } as const;

export type ZygoteReply =
  | { readonly kind: 'ready'; readonly runtime: string }
  | { readonly kind: 'refused'; readonly id: bigint; readonly reason: string }
  | { readonly kind: 'forked'; readonly id: bigint }
  | {
      readonly kind: 'failed';
      readonly id: bigint;
      readonly errno: number;
      readonly reason: string;
    };

/** null: it would be longer than a message may be. */
export function encodeFork(id: bigint, environment: readonly string[]): Buffer | null {
  const body = Buffer.from(environment.map((text) => `${text}\0`).join(''));
  const length = HEADER_BYTES + 4 + body.length;
  if (length > ZYGOTE_MESSAGE_MAX_BYTES) return null;
  const message = Buffer.alloc(length);
  message.writeUInt32LE(MAGIC, 0);
  message.writeUInt16LE(TYPES.FORK, 4);
  message.writeBigUInt64LE(id, 8);
  message.writeUInt32LE(environment.length, HEADER_BYTES);
  body.copy(message, HEADER_BYTES + 4);
  return message;
}

/** null: it is no message of a zygote's. */
export function decodeReply(message: Buffer): ZygoteReply | null {
  if (message.length < HEADER_BYTES || message.readUInt32LE(0) !== MAGIC) return null;
  if (message.readUInt16LE(6) !== 0) return null;
  const id = message.readBigUInt64LE(8);
  const body = message.subarray(HEADER_BYTES);
  switch (message.readUInt16LE(4)) {
    case TYPES.READY:
      return id === 0n ? { kind: 'ready', runtime: text(body) } : null;
    case TYPES.REFUSED:
      return { kind: 'refused', id, reason: text(body) };
    case TYPES.FORKED:
      return id !== 0n && body.length === 0 ? { kind: 'forked', id } : null;
    case TYPES.FAILED:
      if (id === 0n || body.length < 4) return null;
      return { kind: 'failed', id, errno: body.readUInt32LE(0), reason: text(body.subarray(4)) };
    default:
      return null;
  }
}

/** For people only: cut, and without what a terminal would obey. */
function text(bytes: Buffer): string {
  const cut = bytes.subarray(0, ZYGOTE_TEXT_MAX_BYTES).toString('utf8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return cut.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}
