// SPDX-License-Identifier: Apache-2.0
// What a VM's memory outside of zones is for, as its guest tells by the node's debug shell.
import { CzoneError } from '../protocol/errors.js';
import { KIB, PAGE_BYTES } from '../protocol/units.js';
import { runInGuest } from './guest-shell.js';

export interface GuestBytes {
  /** Of the memory that it booted with; a zone's lies in the zone. */
  readonly memmap: number;
  /** All that its cgroup is charged with, its program's pages among it. */
  readonly daemon: number;
  /** Files of the others: of functions' images, and of the root file system. */
  readonly pageCache: number;
}

const COMMAND = [
  'cat /proc/meminfo',
  'grep nr_memmap_boot_pages /proc/vmstat',
  'echo current $(cat /sys/fs/cgroup/system/memory.current)',
  'grep -E "^(file|shmem) " /sys/fs/cgroup/system/memory.stat',
].join('; ');

/** INTERNAL: the guest does not answer, or says something else. */
export async function readGuestBytes(shellSocketPath: string): Promise<GuestBytes> {
  return parseGuestBytes(await runInGuest(shellSocketPath, COMMAND));
}

/** INTERNAL: a number is missing. */
export function parseGuestBytes(text: string): GuestBytes {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new CzoneError('INTERNAL', `the guest told no ${pattern}`);
    return Number(found);
  };
  const kib = (name: string) => number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm')) * KIB;
  // Files in memory are no files of a disk: a container's lie in its zone.
  const files = kib('Cached') + kib('Buffers') - kib('Shmem');
  const daemonFiles = number(/^file (\d+)/m) - number(/^shmem (\d+)/m);
  return {
    memmap: number(/^nr_memmap_boot_pages (\d+)/m) * PAGE_BYTES,
    daemon: number(/^current (\d+)/m),
    pageCache: Math.max(files - daemonFiles, 0),
  };
}
