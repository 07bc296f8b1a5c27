// SPDX-License-Identifier: Apache-2.0
// What the daemon and its sandbox maker say to each other, as native/sandbox/czone_sandbox.h
// describes it.
import { getSystemErrorName } from 'node:util';

/** One act of a helper's. */
export type SandboxStep =
  | { readonly act: 'mkdir'; readonly path: string; readonly number: number }
  | {
      readonly act: 'mount';
      readonly path: string;
      readonly source: string;
      readonly type: string;
      /** MS_* flags. */
      readonly number: number;
      readonly data?: string;
    }
  | {
      readonly act: 'device' | 'own';
      readonly path: string;
      readonly number: number;
      readonly device: number;
    }
  | { readonly act: 'symlink'; readonly path: string; readonly source: string }
  | { readonly act: 'mask' | 'readOnly' | 'pivot' | 'chdir'; readonly path: string }
  | { readonly act: 'hostname'; readonly source: string }
  | { readonly act: 'address'; readonly source: string; readonly data: string };

/** Where a helper stopped: a step's index, or one of OUTSIDE. */
export interface SandboxFailure {
  readonly step: number;
  readonly code: string;
}

/** Before and after the steps. */
export const OUTSIDE = {
  unshare: -1,
  network: -2,
  handOver: -3,
  fork: -4,
  /** Its helper was killed, as when the container's memory is full. */
  killed: -5,
  /** The maker has ended, and what became of the helper is not known. */
  lost: -6,
} as const;

export type SandboxReply =
  | { readonly kind: 'failed'; readonly id: bigint; readonly failure: SandboxFailure }
  | {
      readonly kind: 'ended';
      readonly id: bigint;
      /** 0: it could not be forked. */
      readonly pid: number;
      readonly succeeded: boolean;
    };

const MAGIC = 0x31535a43;
const TYPES = { MAKE: 1, FAILED: 16, ENDED: 17 } as const;
const HEADER_BYTES = 16;
const REPLY_BYTES = HEADER_BYTES + 8;
const MESSAGE_MAX_BYTES = 32768;

/** Of the body; so that it need not be made anew for steps that are always the same. */
export function encodeSteps(steps: readonly SandboxStep[]): string {
  return steps.map(encodeStep).join('');
}

function encodeStep(step: SandboxStep): string {
  const {
    act,
    path = '',
    source = '',
    type = '',
    data = '',
    number = 0,
    device = 0,
  } = step as Partial<Record<string, string | number>>;
  return `${act}\0${path}\0${source}\0${type}\0${data}\0${number}\0${device}\0`;
}

/** null: it would be longer than a message may be. */
export function encodeMake(id: bigint, steps: string): Buffer | null {
  const length = HEADER_BYTES + Buffer.byteLength(steps);
  if (length > MESSAGE_MAX_BYTES) return null;
  const message = Buffer.alloc(length);
  message.writeUInt32LE(MAGIC, 0);
  message.writeUInt16LE(TYPES.MAKE, 4);
  message.writeBigUInt64LE(id, 8);
  message.write(steps, HEADER_BYTES);
  return message;
}

/** null: it makes no sense. */
export function decodeSandboxReply(message: Buffer): SandboxReply | null {
  if (message.length !== REPLY_BYTES || message.readUInt32LE(0) !== MAGIC) return null;
  if (message.readUInt16LE(6) !== 0) return null;
  const id = message.readBigUInt64LE(8);
  const first = message.readInt32LE(HEADER_BYTES);
  const second = message.readInt32LE(HEADER_BYTES + 4);
  switch (message.readUInt16LE(4)) {
    case TYPES.FAILED:
      return { kind: 'failed', id, failure: { step: first, code: nameOf(second) } };
    case TYPES.ENDED:
      return { kind: 'ended', id, pid: first, succeeded: second === 0 };
    default:
      return null;
  }
}

function nameOf(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : String(errno);
}
