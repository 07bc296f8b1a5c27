// SPDX-License-Identifier: Apache-2.0
// What the guest is: kernel, boot, memory.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GetInfoResponse, GuestMemory } from '../protocol/gen/czone/guest/v1/agent.js';

export interface DaemonIdentity {
  readonly version: string;
  readonly instanceId: string;
}

export async function readGuestInfo(
  procRoot: string,
  { version, instanceId }: DaemonIdentity,
): Promise<GetInfoResponse> {
  const [release, bootId, meminfo] = await Promise.all(
    ['sys/kernel/osrelease', 'sys/kernel/random/boot_id', 'meminfo'].map((name) =>
      readFile(join(procRoot, name), 'utf8'),
    ),
  );
  return {
    daemonVersion: version,
    kernelRelease: release?.trim() ?? '',
    bootId: bootId?.trim() ?? '',
    instanceId,
    memory: parseMeminfo(meminfo ?? ''),
  };
}

/** 0 where the kernel does not tell. */
export function parseMeminfo(text: string): GuestMemory {
  const bytes = (name: string): bigint => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    return BigInt(match?.[1] ?? 0) * 1024n;
  };
  return {
    totalBytes: bytes('MemTotal'),
    availableBytes: bytes('MemAvailable'),
    slabBytes: bytes('Slab'),
    percpuBytes: bytes('Percpu'),
    freeBytes: bytes('MemFree'),
  };
}
