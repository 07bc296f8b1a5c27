// SPDX-License-Identifier: Apache-2.0
// Views of the controller to messages. read-message.ts is the way back.
import type * as domain from '../host/controller-api.js';
import type { AddressRange } from '../protocol/gen/czone/node/v1/common.js';
import {
  type Container,
  ExitReason,
  type PageCount,
  type ProcessPlacement,
} from '../protocol/gen/czone/node/v1/containers.js';
import type {
  GetMemoryResponse,
  ReclaimMemoryResponse,
  SandboxMemory,
  ZoneMemory,
} from '../protocol/gen/czone/node/v1/memory.js';
import type { GetNodeInfoResponse } from '../protocol/gen/czone/node/v1/node.js';
import type { Sandbox } from '../protocol/gen/czone/node/v1/sandboxes.js';
import { CONTAINER_STATE, EXIT_REASON, SANDBOX_STATE, START_KIND, ZYGOTE_STATE } from './enums.js';

/** What ReclaimMemory answers with. */
export type Reclaimed = Awaited<ReturnType<domain.Controller['reclaim']>>;

export function container(view: domain.ContainerView): Container {
  return {
    containerId: view.containerId,
    sandboxId: view.sandboxId,
    tenantId: view.tenantId,
    functionId: view.functionId,
    imageDigest: view.imageDigest,
    zoneId: view.zoneId,
    zoneRange: range(view.rangeStart, view.rangeBytes),
    memoryBytes: count(view.memoryBytes),
    state: CONTAINER_STATE[view.state],
    endpoint: view.endpoint,
    startKind: START_KIND[view.startKind],
    placementReason: view.placementReason,
    startBreakdown: view.stages.map(({ name, durationUs }) => ({
      name,
      durationUs: count(durationUs),
    })),
    labels: view.labels.map(({ key, value }) => ({ key, value })),
    createdAt: view.createdAt.toISOString(),
    exitReason: view.exit ? EXIT_REASON[view.exit.reason] : ExitReason.EXIT_REASON_UNSPECIFIED,
    exitCode: view.exit?.exitCode ?? 0,
    exitSignal: view.exit?.signal ?? 0,
    memoryReturn: view.memoryReturn && {
      residentBytes: count(view.memoryReturn.residentBytes),
      returnedBytes: count(view.memoryReturn.returnedBytes),
      unplugUs: count(view.memoryReturn.unplugUs),
      guestUs: count(view.memoryReturn.guestUs),
      complete: view.memoryReturn.complete,
      earlyBytes: count(view.memoryReturn.earlyBytes),
    },
    guestPid: view.guestPid,
    plugGuestUs: count(view.plugGuestUs),
    limitBytes: count(view.limitBytes),
    startReason: view.startReason,
    zygoteId: view.zygoteId ?? '',
  };
}

export function processPlacement(view: domain.ProcessPlacement): ProcessPlacement {
  return {
    pid: view.pid,
    name: view.name,
    zoneId: view.zoneId,
    anonymous: pages(view.anonymous),
    text: pages(view.text),
    file: pages(view.file),
    textFrames: view.textFrames.map(count),
  };
}

export function sandbox(view: domain.SandboxView): Sandbox {
  return {
    sandboxId: view.sandboxId,
    tenantId: view.tenantId,
    state: SANDBOX_STATE[view.state],
    vmmPid: view.vmmPid,
    accelerator: view.accelerator,
    bootMemoryBytes: count(view.bootMemoryBytes),
    regionBytes: count(view.regionBytes),
    pluggedBytes: count(view.pluggedBytes),
    containerCount: view.containerCount,
    createdAt: view.createdAt.toISOString(),
    limitBytes: count(view.limitBytes),
    zombies: view.zombies.map(zoneMemory),
    zygotes: view.zygotes.map((zygote) => ({
      zygoteId: zygote.zygoteId,
      functionId: zygote.functionId,
      imageDigest: zygote.imageDigest,
      state: ZYGOTE_STATE[zygote.state],
      zoneId: zygote.zoneId,
      residentBytes: count(zygote.residentBytes),
      children: zygote.children,
      forks: count(zygote.forks),
      runtime: zygote.runtime,
      reason: zygote.reason,
      createdAt: zygote.createdAt.toISOString(),
    })),
  };
}

export function memory(view: domain.NodeMemory): GetMemoryResponse {
  return {
    residentBytes: count(view.residentBytes),
    pluggedBytes: count(view.pluggedBytes),
    budgetBytes: count(view.budgetBytes),
    freeBudgetBytes: count(view.freeBudgetBytes),
    spareBytes: count(view.spareBytes),
    sandboxes: view.sandboxes.map(sandboxMemory),
  };
}

function sandboxMemory(view: domain.SandboxMemory): SandboxMemory {
  return {
    sandboxId: view.sandboxId,
    tenantId: view.tenantId,
    region: range(view.regionStart, view.regionBytes),
    regionBytes: count(view.regionBytes),
    pluggedBytes: count(view.pluggedBytes),
    limitBytes: count(view.limitBytes),
    residentBytes: count(view.residentBytes),
    bootResidentBytes: count(view.bootResidentBytes),
    zonesResidentBytes: count(view.zonesResidentBytes),
    strayBytes: count(view.strayBytes),
    vmmBytes: count(view.vmmBytes),
    zones: view.zones.map(zoneMemory),
  };
}

function zoneMemory(zone: domain.ZoneMemory): ZoneMemory {
  return {
    zoneId: zone.zoneId,
    range: range(zone.rangeStart, zone.rangeBytes),
    state: zone.state,
    containerId: zone.containerId ?? '',
    residentBytes: count(zone.residentBytes),
    limitBytes: count(zone.limitBytes),
    inUseBytes: count(zone.inUseBytes),
    pins: zone.pins.map((pin) => ({
      range: range(pin.start, pin.sizeBytes),
      reason: pin.reason,
      references: pin.references,
    })),
  };
}

export function reclaimed(view: Reclaimed): ReclaimMemoryResponse {
  return {
    returnedBytes: count(view.returnedBytes),
    zones: view.zones.map((zone) => ({
      containerId: zone.containerId,
      zoneId: zone.zoneId,
      residentBeforeBytes: count(zone.residentBeforeBytes),
      returnedBytes: count(zone.returnedBytes),
      durationUs: count(zone.durationUs),
      ranges: zone.ranges,
      sizeBytes: count(zone.sizeBytes),
      shrunkBytes: count(zone.shrunkBytes),
      coldBytes: count(zone.coldBytes),
      swappedBytes: count(zone.swappedBytes),
    })),
  };
}

export function nodeInfo(view: domain.NodeInfo): GetNodeInfoResponse {
  return {
    version: view.version,
    nodeId: view.nodeId,
    pid: view.pid,
    startedAt: view.startedAt.toISOString(),
    accelerator: view.accelerator,
    acceleratorReason: view.acceleratorReason,
    vmmVersion: view.vmmVersion,
    guestKernel: view.guestKernel,
    sandboxCount: view.sandboxCount,
    containerCount: view.containerCount,
    maxSandboxes: view.maxSandboxes,
    budgetBytes: count(view.budgetBytes),
    sandboxRegionBytes: count(view.sandboxRegionBytes),
    sandboxBootMemoryBytes: count(view.sandboxBootMemoryBytes),
    functions: view.functions.map((item) => ({
      functionId: item.functionId,
      description: item.description,
      defaultMemoryBytes: count(item.defaultMemoryBytes),
    })),
  };
}

function pages(view: domain.PageCount): PageCount {
  return { inZone: count(view.inZone), outside: count(view.outside) };
}

function range(start: number, sizeBytes: number): AddressRange {
  return { start: count(start), sizeBytes: count(sizeBytes) };
}

/** Durations are measured with fractions, and the messages hold whole numbers. */
export function count(value: number): bigint {
  return BigInt(Math.round(value));
}
