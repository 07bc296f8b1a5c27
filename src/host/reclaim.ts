// SPDX-License-Identifier: Apache-2.0
// Takes memory back from live containers: their cold pages, where that is asked for, by
// the guest's reclaim of their cgroup; then what their zones have free.
import type { Container } from './containers/container.js';
import type { ReclaimedZone, ReclaimOptions } from './controller-api.js';
import type { Sandbox } from './sandbox/sandbox.js';

export async function reclaimContainer(
  sandbox: Sandbox,
  container: Container,
  options: ReclaimOptions,
): Promise<ReclaimedZone> {
  // What looks cold in a zygote is what its children share.
  const coldBytes = container.isZygote ? 0 : options.coldBytes;
  const cold =
    coldBytes === 0
      ? { reclaimedBytes: 0n, swappedBytes: 0n }
      : await sandbox.agent().client.reclaimContainer(container.id, coldBytes);
  const zone = await sandbox.zones.reclaim(container.facts.zone.zoneId, container.id);
  return {
    ...zone,
    // The guest's own count: what the host got of it stands in returnedBytes.
    coldBytes: bounded(cold.reclaimedBytes, container.facts.memoryBytes),
    swappedBytes: bounded(cold.swappedBytes, container.facts.memoryBytes),
  };
}

/** A container that ends meanwhile is left out: its zone goes back whole. */
export async function reclaimAll(
  sandbox: Sandbox,
  options: ReclaimOptions,
): Promise<ReclaimedZone[]> {
  const zones: ReclaimedZone[] = [];
  for (const container of sandbox.containers.values()) {
    if (container.state !== 'RUNNING' && container.state !== 'PAUSED') continue;
    try {
      zones.push(await reclaimContainer(sandbox, container, options));
    } catch (error) {
      if (container.finished === null) throw error;
    }
  }
  return zones;
}

/** A guest can say anything; no container gives more than it has. */
function bounded(bytes: bigint, memoryBytes: number): number {
  return Math.min(Number(bytes), memoryBytes);
}
