// SPDX-License-Identifier: Apache-2.0
// Memory as the host counts it: allocated bytes of the VMs' memory files.
import fs from 'node:fs';
import type { NodeMemory, SandboxMemory, ZoneMemory } from './controller-api.js';
import type { Room } from './ledger/budget.js';
import type { LedgerZone } from './ledger/ledger.js';
import type { Sandbox } from './sandbox/sandbox.js';

/** The zones that the filter takes. Bytes are counted over all of a zone's addresses. */
export function zonesMemory(
  { ledger, memory }: Sandbox,
  takes: (zone: LedgerZone) => boolean,
): readonly ZoneMemory[] {
  return ledger
    .zones()
    .filter(takes)
    .map((zone) => ({
      zoneId: zone.zoneId,
      rangeStart: zone.start,
      rangeBytes: zone.sizeBytes,
      limitBytes: zone.limitBytes,
      state: zone.state,
      containerId: zone.containerId,
      residentBytes: memory?.zoneBytes(zone.start, zone.limitBytes) ?? 0,
      inUseBytes: zone.inUseBytes,
      pins: zone.pins,
    }));
}

export function sandboxMemory(sandbox: Sandbox): SandboxMemory {
  const { ledger, memory } = sandbox;
  const zones = zonesMemory(sandbox, () => true);
  const zonesResidentBytes = zones.reduce((sum, zone) => sum + zone.residentBytes, 0);
  const regionResidentBytes = memory?.zoneBytes(ledger.regionStart, ledger.regionBytes) ?? 0;
  const bootResidentBytes = memory?.bootBytes() ?? 0;
  return {
    sandboxId: sandbox.sandboxId,
    tenantId: sandbox.tenantId,
    regionStart: ledger.regionStart,
    regionBytes: ledger.regionBytes,
    pluggedBytes: ledger.sizeBytes,
    limitBytes: ledger.limitBytes,
    residentBytes: bootResidentBytes + regionResidentBytes,
    bootResidentBytes,
    zonesResidentBytes,
    // Zones are counted one after another while the guest runs: never below zero.
    strayBytes: Math.max(regionResidentBytes - zonesResidentBytes, 0),
    vmmBytes: vmmBytes(sandbox.vmmPid),
    zones,
  };
}

export function nodeMemory(
  sandboxes: readonly Sandbox[],
  budgetBytes: number,
  room: Room,
): NodeMemory {
  const views = sandboxes.map(sandboxMemory);
  return {
    residentBytes: views.reduce((sum, view) => sum + view.residentBytes, 0),
    pluggedBytes: views.reduce((sum, view) => sum + view.pluggedBytes, 0),
    budgetBytes,
    freeBudgetBytes: room.promisableBytes,
    spareBytes: room.spareBytes,
    sandboxes: views,
  };
}

/** What the VMM has for itself: its proportional set size without shared memory. */
export function parseVmmBytes(smapsRollup: string): number {
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(smapsRollup)?.[1] ?? 0);
  return (kib('Pss_Anon') + kib('Pss_File')) * 1024;
}

function vmmBytes(pid: number): number {
  if (pid === 0) return 0;
  try {
    return parseVmmBytes(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  } catch {
    // It has just ended.
    return 0;
  }
}
