// SPDX-License-Identifier: Apache-2.0
// Cleans up after a node that died: ends its QEMUs, removes its files, says what it did.
//
// A process is ended only when its command line holds `-uuid` with the uuid of one of
// the node's VM records: 128 random bits that stand nowhere else. Where the record
// knows pid and start time these must agree too.
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../../protocol/errors.js';
import { parseSandboxId } from '../../protocol/ids.js';
import { tryLockRunDir } from './node-lock.js';
import { type ProcessTable, processTable } from './processes.js';
import { type NodeRecord, readNodeRecord, readVmRecord, type VmRecord } from './records.js';
import { type RunDirPaths, runDirPaths, vmPaths } from './run-dir.js';

export interface SweepReport {
  /** A node lives there; nothing was touched. pid 0: it is just starting. */
  readonly alive: { readonly pid: number } | null;
  readonly killedPids: readonly number[];
  readonly removedVms: readonly string[];
  /** True when there was anything to clean up. */
  readonly found: boolean;
}

const NOTHING: SweepReport = { alive: null, killedPids: [], removedVms: [], found: false };
const KILL_WAIT_MS = 10_000;
const POLL_MS = 20;

/** For a command that found no node: cleans up unless a node lives. */
export async function sweep(
  runDir: string,
  table: ProcessTable = processTable(),
): Promise<SweepReport> {
  const exists = await fs.stat(runDir).catch(() => null);
  if (exists === null) return NOTHING;
  const lock = await tryLockRunDir(runDir);
  const paths = runDirPaths(runDir);
  if (lock === null) {
    const record = await readNodeRecord(paths.nodeRecord).catch(() => null);
    return { ...NOTHING, alive: { pid: record?.pid ?? 0 } };
  }
  try {
    return await sweepLocked(paths, table);
  } finally {
    await lock.release();
  }
}

/** The caller holds the lock of the run directory. */
export async function sweepLocked(
  paths: RunDirPaths,
  table: ProcessTable = processTable(),
): Promise<SweepReport> {
  const record = await readNodeRecord(paths.nodeRecord);
  if (record !== null && (await isAlive(record, table))) {
    return { ...NOTHING, alive: { pid: record.pid } };
  }
  const killedPids: number[] = [];
  const removedVms: string[] = [];
  for (const name of await fs.readdir(paths.vms).catch(() => [])) {
    const sandboxId = parseSandboxId(name);
    if (sandboxId === null) continue;
    const vm = vmPaths(paths.root, sandboxId);
    const vmRecord = await readVmRecord(vm.record);
    if (vmRecord !== null) killedPids.push(...(await endProcesses(vmRecord, table)));
    await fs.rm(vm.directory, { recursive: true, force: true });
    removedVms.push(name);
  }
  const leftovers = await removeNodeFiles(paths, record);
  return {
    alive: null,
    killedPids,
    removedVms,
    found: leftovers || removedVms.length > 0 || killedPids.length > 0,
  };
}

/** Only what this program writes there is removed. True when anything was. */
async function removeNodeFiles(paths: RunDirPaths, record: NodeRecord | null): Promise<boolean> {
  for (const name of await fs.readdir(paths.logs).catch(() => [])) {
    if (/^c-[0-9a-f]{12}\.log(\.1)?$/.test(name)) await fs.rm(path.join(paths.logs, name));
  }
  const sockets = new Set([paths.defaultSocket]);
  if (record !== null) sockets.add(record.socketPath);
  for (const socket of sockets) {
    const stat = await fs.lstat(socket).catch(() => null);
    if (stat?.isSocket() === true) await fs.rm(socket, { force: true });
  }
  await fs.rm(paths.nodeRecord, { force: true });
  for (const directory of [paths.vms, paths.logs]) {
    // Not when something of another's lies there.
    await fs.rmdir(directory).catch(() => {});
  }
  return record !== null;
}

async function isAlive(record: NodeRecord, table: ProcessTable): Promise<boolean> {
  if (record.pid === process.pid) return false;
  if (record.bootId !== (await table.bootId())) return false;
  return (await table.startTime(record.pid)) === record.startTime;
}

async function endProcesses(record: VmRecord, table: ProcessTable): Promise<number[]> {
  const killed: number[] = [];
  for (const pid of await table.pids()) {
    if (!(await isOurs(pid, record, table))) continue;
    await kill(pid, record, table);
    killed.push(pid);
  }
  return killed;
}

async function isOurs(pid: number, record: VmRecord, table: ProcessTable): Promise<boolean> {
  const args = await table.commandLine(pid);
  if (args[args.indexOf('-uuid') + 1] !== record.uuid) return false;
  if (record.pid === null) return true;
  return pid === record.pid && (await table.startTime(pid)) === record.startTime;
}

async function kill(pid: number, record: VmRecord, table: ProcessTable): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw error;
  }
  const endAt = performance.now() + KILL_WAIT_MS;
  while (await isOurs(pid, record, table)) {
    if (performance.now() > endAt) {
      throw new CzoneError('INTERNAL', `QEMU ${pid} of ${record.sandboxId} does not end`);
    }
    await sleep(POLL_MS);
  }
}
