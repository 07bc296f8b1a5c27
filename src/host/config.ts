// SPDX-License-Identifier: Apache-2.0
// The configuration of a node, checked.
import path from 'node:path';
import { z } from 'zod';
import { defaultCacheDir } from '../artifacts/cache.js';
import { CzoneError } from '../protocol/errors.js';
import { BLOCK_BYTES, GIB, MIB } from '../protocol/units.js';
import { PAGE_SIZES } from './vm/page-size.js';

export { defaultCacheDir };

/** A unix socket's path has 107 bytes; the longest of a VM adds 31 to the run directory. */
const RUN_DIR_BYTES = 76;

const wholeBlocks = (bytes: number) => bytes % BLOCK_BYTES === 0;

const absolutePath = z
  .string()
  .refine((text) => path.isAbsolute(text), 'must be an absolute path')
  .refine((text) => !text.includes('\0'), 'must not hold a NUL');

const nodeConfig = z.strictObject({
  /** Sockets, state and logs of this node; made when it is missing. */
  runDir: absolutePath
    .refine(
      (text) => Buffer.byteLength(text) <= RUN_DIR_BYTES,
      `must have at most ${RUN_DIR_BYTES} bytes, or the paths of sockets grow too long`,
    )
    .default('/run/czone'),
  /** Where the node API listens; written into node.json. null: RUN_DIR/node.sock. */
  socketPath: absolutePath.nullable().default(null),
  /** Artifacts and flattened images. */
  cacheDir: absolutePath.default(() => defaultCacheDir()),
  /** Memory of a VM beside its zones. */
  bootMemoryBytes: z
    .number()
    .int()
    .min(128 * MIB)
    .max(2 * GIB)
    .refine(wholeBlocks, 'must be a multiple of 2 MiB')
    .default(256 * MIB),
  /** Zone region of a VM. */
  regionBytes: z
    .number()
    .int()
    .min(16 * MIB)
    .max(256 * GIB)
    .refine(wholeBlocks, 'must be a multiple of 2 MiB')
    .default(2 * GIB),
  maxSandboxes: z.number().int().min(1).max(64).default(8),
  /** Boot memory and zones of all VMs; null: three quarters of what is available. */
  budgetBytes: z.number().int().min(0).nullable().default(null),
  /**
   * What a container can use before its zone has to grow; limits are what the request
   * says. As much as a container's limit: zones do not grow.
   */
  firstBytes: z
    .number()
    .int()
    .min(2 * MIB)
    .refine(wholeBlocks, 'must be a multiple of 2 MiB')
    .default(8 * MIB),
  /** The limits of zones may add up to so many times the budget (docs/decisions/0011). */
  overcommit: z.number().min(1).max(64).default(1),
  defaultReadyTimeoutMs: z.number().int().min(1_000).max(600_000).default(120_000),
  /** Of the host's memory behind the VMs. */
  pageSize: z.enum(PAGE_SIZES).default('4KiB'),
  vcpus: z.number().int().min(1).max(64).default(2),
  /**
   * Translated code that an emulated VM keeps (KVM has none). What daemon, crun and Python
   * take is translated again and again when it is less than the default: with 96 MiB a start
   * by zygote takes 2.4 times as long, with 64 4.6 times, with 32 ten times, with 192 as long.
   */
  translationBytes: z
    .number()
    .int()
    .min(32 * MIB)
    .max(2 * GIB)
    .refine((bytes) => bytes % MIB === 0, 'must be a multiple of 1 MiB')
    .default(128 * MIB),
  /** A VM without containers is ended after so long; 0: kept until it is deleted. */
  sandboxIdleMs: z.number().int().min(0).default(300_000),
  /** Functions that can be are started by zygotes (docs/zygote.md). */
  zygotes: z.boolean().default(true),
  /** Every VM offers a root shell of its guest on vms/ID/shell.sock. */
  debugShell: z.boolean().default(false),
  /** Instead of the built ones. */
  qemuPath: z.string().min(1).nullable().default(null),
  kernelPath: absolutePath.nullable().default(null),
  rootfsPath: absolutePath.nullable().default(null),
});

export type NodeConfig = z.output<typeof nodeConfig>;
export type NodeConfigInput = z.input<typeof nodeConfig>;

/** INVALID_ARGUMENT names the field and what it must be. */
export function parseNodeConfig(input: unknown): NodeConfig {
  const read = nodeConfig.safeParse(input);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new CzoneError('INVALID_ARGUMENT', `node configuration: ${field}: ${issue?.message}`, {
    field,
  });
}
