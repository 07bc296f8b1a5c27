// SPDX-License-Identifier: Apache-2.0
// One frame of the link, as bytes (big endian):
//
//   0  u32 magic "CZL1"     4  u8 type      5  u8[3] zero
//   8  u64 nonce           16  u32 sequence 20  u32 payload length
//  24  u32 CRC-32 of the payload            28  u32 CRC-32 of bytes 0 to 27
//  32  payload
//
// The stream below keeps the order of bytes but may begin anywhere and may hold
// what a dead peer has left, so each frame can be found and proved by itself.
import { crc32 } from 'node:zlib';
import { FRAME_PAYLOAD_MAX_BYTES } from '../limits.js';

export const HEADER_BYTES = 32;
export const MAGIC = Buffer.from('CZL1', 'latin1');

export const FRAME_TYPES = {
  /** Server to all: a server begins here, older sessions are dead. Nonce 0. */
  ready: 1,
  /** Client to server: open the session of this nonce, ending any other. */
  hello: 2,
  /** Server to client: the session of this nonce is open. */
  helloAck: 3,
  data: 4,
  /** u32: the receiver has taken this many bytes more from the session. */
  window: 5,
  /** The sender will send no more data. */
  end: 6,
  /** The session is dead. */
  reset: 7,
} as const;
export type FrameType = (typeof FRAME_TYPES)[keyof typeof FRAME_TYPES];

export interface FrameHeader {
  readonly type: FrameType;
  readonly nonce: bigint;
  readonly sequence: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
}

export interface Frame {
  readonly type: FrameType;
  readonly nonce: bigint;
  readonly sequence: number;
  readonly payload: Buffer;
}

const TYPE_MAX = FRAME_TYPES.reset;

/** Header and payload in one buffer. */
export function encodeFrame(frame: Frame): Buffer {
  const { payload } = frame;
  if (payload.length > FRAME_PAYLOAD_MAX_BYTES) {
    throw new RangeError(`A frame holds ${FRAME_PAYLOAD_MAX_BYTES} bytes, not ${payload.length}.`);
  }
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32BE(frame.type * 2 ** 24, 4);
  bytes.writeBigUInt64BE(frame.nonce, 8);
  bytes.writeUInt32BE(frame.sequence, 16);
  bytes.writeUInt32BE(payload.length, 20);
  bytes.writeUInt32BE(crc32(payload), 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** Reads a header at the start of `bytes` (HEADER_BYTES of them at least); null where there is none. */
export function parseHeader(bytes: Buffer): FrameHeader | null {
  if (bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return null;
  if (bytes.readUInt32BE(28) !== crc32(bytes.subarray(0, 28))) return null;
  const type = bytes.readUInt8(4);
  const payloadBytes = bytes.readUInt32BE(20);
  if (type < 1 || type > TYPE_MAX || bytes.readUIntBE(5, 3) !== 0) return null;
  if (payloadBytes > FRAME_PAYLOAD_MAX_BYTES) return null;
  return {
    type: type as FrameType,
    nonce: bytes.readBigUInt64BE(8),
    sequence: bytes.readUInt32BE(16),
    payloadBytes,
    payloadCrc: bytes.readUInt32BE(24),
  };
}

/** True when `payload` is what the header announced. */
export function payloadMatches(header: FrameHeader, payload: Buffer): boolean {
  return crc32(payload) === header.payloadCrc;
}
