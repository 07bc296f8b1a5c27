// SPDX-License-Identifier: Apache-2.0
// Taking a run directory for a new node: lock, clean up, write node.json; and giving
// it back.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { CzoneError } from '../../protocol/errors.js';
import { tryLockRunDir } from './node-lock.js';
import { processTable } from './processes.js';
import { type NodeRecord, RECORD_VERSION, readNodeRecord, writeRecord } from './records.js';
import { type RunDirPaths, runDirPaths } from './run-dir.js';
import { type SweepReport, sweepLocked } from './sweep.js';

export interface NodeClaim {
  readonly paths: RunDirPaths;
  readonly record: NodeRecord;
  /** What a node before this one had left. */
  readonly swept: SweepReport;
  release(): Promise<void>;
}

/** FAILED_PRECONDITION with the pid of a node that lives there. */
export async function claimRunDir(runDir: string, socketPath: string): Promise<NodeClaim> {
  const paths = runDirPaths(runDir);
  // undefined: it was there, and is somebody else's to remove.
  const made = await fs.mkdir(paths.root, { recursive: true, mode: 0o700 });
  const lock = await tryLockRunDir(paths.root);
  if (lock === null) {
    const record = await readNodeRecord(paths.nodeRecord).catch(() => null);
    throw taken(runDir, record?.pid ?? null);
  }
  try {
    const swept = await sweepLocked(paths);
    if (swept.alive !== null) throw taken(runDir, swept.alive.pid);
    await fs.mkdir(paths.vms, { recursive: true, mode: 0o700 });
    await fs.mkdir(paths.logs, { recursive: true, mode: 0o700 });
    const table = processTable();
    const record: NodeRecord = {
      version: RECORD_VERSION,
      nodeId: `node-${randomBytes(4).toString('hex')}`,
      pid: process.pid,
      startTime: (await table.startTime(process.pid)) ?? '0',
      bootId: await table.bootId(),
      socketPath,
      startedAt: new Date().toISOString(),
    };
    await writeRecord(paths.nodeRecord, record);
    return {
      paths,
      record,
      swept,
      release: async () => {
        await fs.rm(paths.nodeRecord, { force: true });
        const own = made === undefined ? [] : [paths.root];
        for (const directory of [paths.vms, paths.logs, ...own]) {
          // Not when something of another's lies there, e.g. the API's socket.
          await fs.rmdir(directory).catch(() => {});
        }
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function taken(runDir: string, pid: number | null): CzoneError {
  const who =
    pid === null || pid === 0 ? 'a node that is just starting' : `the node with pid ${pid}`;
  return new CzoneError(
    'FAILED_PRECONDITION',
    `${runDir} belongs to ${who}: end it first, or give this node another --run-dir`,
  );
}
