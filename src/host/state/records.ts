// SPDX-License-Identifier: Apache-2.0
// The files by which a later process knows what a node was: node.json and vm.json.
// Both carry a version; an unknown one is refused with the way out.
import fs from 'node:fs/promises';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';

export const RECORD_VERSION = 1;

const nodeRecord = z.object({
  version: z.literal(RECORD_VERSION),
  nodeId: z.string(),
  pid: z.number().int().positive(),
  /** Field 22 of /proc/PID/stat: with the pid it names one process of this boot. */
  startTime: z.string().regex(/^\d+$/),
  bootId: z.string(),
  socketPath: z.string(),
  startedAt: z.string(),
});
export type NodeRecord = z.output<typeof nodeRecord>;

const vmRecord = z.object({
  version: z.literal(RECORD_VERSION),
  sandboxId: z.string(),
  tenantId: z.string(),
  /** Stands in QEMU's command line; nobody else knows it. */
  uuid: z.uuid(),
  /** null: written before QEMU was started. */
  pid: z.number().int().positive().nullable(),
  startTime: z.string().regex(/^\d+$/).nullable(),
});
export type VmRecord = z.output<typeof vmRecord>;

export function readNodeRecord(file: string): Promise<NodeRecord | null> {
  return readRecord(file, nodeRecord);
}

export function readVmRecord(file: string): Promise<VmRecord | null> {
  return readRecord(file, vmRecord);
}

/** Readers see the old file or the new one, never a part. */
export async function writeRecord(file: string, record: NodeRecord | VmRecord): Promise<void> {
  const temporary = `${file}.tmp-${process.pid}`;
  await fs.writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await fs.rename(temporary, file);
}

/** null: there is no such file. FAILED_PRECONDITION: it is not one of ours. */
async function readRecord<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw unreadable(file, 'it is not JSON', error);
  }
  const version = (json as { version?: unknown } | null)?.version;
  if (version !== RECORD_VERSION) {
    throw unreadable(file, `its version is ${JSON.stringify(version)}, this czone knows 1`, null);
  }
  const read = schema.safeParse(json);
  if (!read.success) throw unreadable(file, 'fields are missing or wrong', read.error);
  return read.data;
}

function unreadable(file: string, why: string, cause: unknown): CzoneError {
  return new CzoneError(
    'FAILED_PRECONDITION',
    `${file} can not be read: ${why}. End the node with the czone that wrote it; if that is ` +
      'gone, end its QEMU processes by hand and remove the directory of this file',
    cause === null ? {} : { cause },
  );
}
