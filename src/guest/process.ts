// SPDX-License-Identifier: Apache-2.0
// What /proc and the first process tell of a process, live or ended.
import { join } from 'node:path';
import { readFile } from './memory-files.js';
import type { WaitResult } from './native.js';

/** Field 22 of /proc/<pid>/stat, clock ticks since boot; null when the process is gone. */
export async function readStartTime(procRoot: string, pid: number): Promise<string | null> {
  const text = await readFile(join(procRoot, String(pid), 'stat'), 'utf8').catch(() => '');
  // The name in field 2 may hold anything, parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = fields[22 - 3];
  return startTime !== undefined && /^\d+$/.test(startTime) ? startTime : null;
}

/** Pids between crun and the container's first process that are looked at. */
const ORPHANS_SEARCHED = 64;

/**
 * Children of crun's that came to this process, their subreaper, when it ended: one a
 * container, which makes the pid namespace. Nobody else would reap them. Only those
 * named crun: Node's own children are Node's to wait for, as is another container's
 * crun. `livePids`: of the container's cgroup, where one that has not ended yet still is.
 */
export async function findRuntimeOrphans(
  procRoot: string,
  crunPid: number,
  containerPid: number | null,
  livePids: readonly number[],
): Promise<number[]> {
  const orphans: number[] = [];
  const isOurs = async (pid: number, states: string) => {
    const stat = await readFile(join(procRoot, String(pid), 'stat'), 'utf8').catch(() => '');
    return new RegExp(`^${pid} \\(crun\\) ${states} ${process.pid} `).test(stat);
  };
  for (const pid of livePids) {
    if (pid !== containerPid && (await isOurs(pid, '[A-Z]'))) orphans.push(pid);
  }
  const end = Math.min(containerPid ?? crunPid + ORPHANS_SEARCHED, crunPid + ORPHANS_SEARCHED);
  for (let pid = crunPid + 1; pid < end; pid++) {
    if (!orphans.includes(pid) && (await isOurs(pid, 'Z'))) orphans.push(pid);
  }
  return orphans;
}

/**
 * The first process of a container that a zygote has forked: of the pids, the one that
 * is number 1 in its own namespace. null: none of them is, or it is gone.
 */
export async function findFirstProcess(
  procRoot: string,
  pids: readonly number[],
): Promise<number | null> {
  // As a rule it is alone.
  const [only] = pids;
  if (pids.length === 1 && only !== undefined) return only;
  for (const pid of pids) {
    const status = await readFile(join(procRoot, String(pid), 'status'), 'utf8').catch(() => '');
    if (/^NSpid:\t\d+\t1$/m.test(status)) return pid;
  }
  return null;
}

/**
 * A child of this process that was the first of its namespace and ended before anybody
 * could see it: a zombie that nobody else reaps, with a pid above that of its sandbox's
 * helper. Node's own children are in no namespace of their own.
 */
export async function findLostChildren(procRoot: string, helperPid: number): Promise<number[]> {
  const lost: number[] = [];
  for (let pid = helperPid + 1; pid <= helperPid + ORPHANS_SEARCHED; pid++) {
    const status = await readFile(join(procRoot, String(pid), 'status'), 'utf8').catch(() => '');
    const isZombie = /^State:\tZ/m.test(status);
    const isOurs = status.includes(`\nPPid:\t${process.pid}\n`);
    if (isZombie && isOurs && /^NSpid:\t\d+\t1$/m.test(status)) lost.push(pid);
  }
  return lost;
}

/**
 * The status of a process that ended while no daemon was its parent, as the first
 * process has left it: `<start time> <wait status>`. null when it has not (yet).
 */
export async function readKeptExit(
  exitsDirectory: string,
  pid: number,
  startTime: string,
): Promise<WaitResult | null> {
  const text = await readFile(join(exitsDirectory, String(pid)), 'utf8').catch(() => '');
  const match = /^(\d+) (\d+)\n$/.exec(text);
  if (match?.[1] !== startTime) return null;
  return decodeWaitStatus(Number(match[2]));
}

/** wait(2)'s status. */
export function decodeWaitStatus(status: number): WaitResult {
  const signal = status & 0x7f;
  return signal === 0
    ? { exitCode: (status >> 8) & 0xff, signal: null }
    : { exitCode: null, signal };
}
