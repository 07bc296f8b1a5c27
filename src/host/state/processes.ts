// SPDX-License-Identifier: Apache-2.0
// Processes as /proc shows them. The root is a parameter, so that tests run on a
// fixture tree.
import fs from 'node:fs/promises';
import path from 'node:path';

export interface ProcessTable {
  /** Field 22 of /proc/PID/stat; null: no such process, or only its zombie. */
  startTime(pid: number): Promise<string | null>;
  /** Arguments; empty: no such process. */
  commandLine(pid: number): Promise<readonly string[]>;
  pids(): Promise<readonly number[]>;
  /** Changes with every boot. */
  bootId(): Promise<string>;
}

export function processTable(procRoot = '/proc'): ProcessTable {
  const read = (name: string) => fs.readFile(path.join(procRoot, name), 'utf8').catch(() => null);
  return {
    startTime: async (pid) => {
      const stat = await read(`${pid}/stat`);
      return stat === null ? null : parseStartTime(stat);
    },
    commandLine: async (pid) => {
      const text = await read(`${pid}/cmdline`);
      return text === null || text === '' ? [] : text.replace(/\0$/, '').split('\0');
    },
    pids: async () => {
      const names = await fs.readdir(procRoot);
      return names.filter((name) => /^\d+$/.test(name)).map(Number);
    },
    bootId: async () => ((await read('sys/kernel/random/boot_id')) ?? '').trim(),
  };
}

/** The name in parentheses may hold anything, so fields are counted behind its end. */
export function parseStartTime(stat: string): string | null {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return null;
  const startTime = fields[19];
  return startTime !== undefined && /^\d+$/.test(startTime) ? startTime : null;
}
