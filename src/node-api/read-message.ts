// SPDX-License-Identifier: Apache-2.0
// Messages back to the controller's views, for the client. Ids are checked: a
// node of another version is told apart from one of ours.
import type * as domain from '../host/controller-api.js';
import { CzoneError } from '../protocol/errors.js';
import type * as containers from '../protocol/gen/czone/node/v1/containers.js';
import { ExitReason } from '../protocol/gen/czone/node/v1/containers.js';
import type * as memory from '../protocol/gen/czone/node/v1/memory.js';
import type * as node from '../protocol/gen/czone/node/v1/node.js';
import type * as sandboxes from '../protocol/gen/czone/node/v1/sandboxes.js';
import {
  parseContainerId,
  parseFunctionId,
  parseSandboxId,
  parseTenantId,
  parseZoneId,
  type ZoneId,
} from '../protocol/ids.js';
import type { Reclaimed } from './convert.js';
import {
  CONTAINER_STATE,
  EXIT_REASON,
  nameOf,
  SANDBOX_STATE,
  START_KIND,
  ZYGOTE_STATE,
} from './enums.js';

export function readContainer(message: containers.Container | null): domain.ContainerView {
  if (message === null) throw unreadable('no container', '');
  return {
    containerId: id(message.containerId, parseContainerId, 'container'),
    sandboxId: id(message.sandboxId, parseSandboxId, 'sandbox'),
    tenantId: id(message.tenantId, parseTenantId, 'tenant'),
    functionId: id(message.functionId, parseFunctionId, 'function'),
    imageDigest: message.imageDigest,
    zoneId: zoneId(message.zoneId),
    rangeStart: number(message.zoneRange?.start ?? 0n),
    rangeBytes: number(message.zoneRange?.sizeBytes ?? 0n),
    limitBytes: number(message.limitBytes),
    memoryBytes: number(message.memoryBytes),
    state: nameOf(CONTAINER_STATE, message.state, 'container state'),
    endpoint: message.endpoint,
    startKind: nameOf(START_KIND, message.startKind, 'start kind'),
    placementReason: message.placementReason,
    startReason: message.startReason,
    zygoteId: message.zygoteId === '' ? null : id(message.zygoteId, parseContainerId, 'zygote'),
    stages: message.startBreakdown.map(({ name, durationUs }) => ({
      name: name as domain.StageName,
      durationUs: number(durationUs),
    })),
    labels: message.labels,
    createdAt: new Date(message.createdAt),
    exit:
      message.exitReason === ExitReason.EXIT_REASON_UNSPECIFIED
        ? null
        : {
            reason: nameOf(EXIT_REASON, message.exitReason, 'exit reason'),
            exitCode: message.exitCode,
            signal: message.exitSignal,
          },
    memoryReturn: message.memoryReturn && {
      residentBytes: number(message.memoryReturn.residentBytes),
      returnedBytes: number(message.memoryReturn.returnedBytes),
      unplugUs: number(message.memoryReturn.unplugUs),
      guestUs: number(message.memoryReturn.guestUs),
      complete: message.memoryReturn.complete,
      earlyBytes: number(message.memoryReturn.earlyBytes),
    },
    guestPid: message.guestPid,
    plugGuestUs: number(message.plugGuestUs),
  };
}

export function readProcess(message: containers.ProcessPlacement): domain.ProcessPlacement {
  return {
    pid: message.pid,
    name: message.name,
    zoneId: message.zoneId,
    anonymous: pages(message.anonymous),
    text: pages(message.text),
    file: pages(message.file),
    textFrames: message.textFrames.map(number),
  };
}

export function readSandbox(message: sandboxes.Sandbox): domain.SandboxView {
  return {
    sandboxId: id(message.sandboxId, parseSandboxId, 'sandbox'),
    tenantId: id(message.tenantId, parseTenantId, 'tenant'),
    state: nameOf(SANDBOX_STATE, message.state, 'sandbox state'),
    vmmPid: message.vmmPid,
    accelerator: accelerator(message.accelerator),
    bootMemoryBytes: number(message.bootMemoryBytes),
    regionBytes: number(message.regionBytes),
    pluggedBytes: number(message.pluggedBytes),
    limitBytes: number(message.limitBytes),
    containerCount: message.containerCount,
    createdAt: new Date(message.createdAt),
    zombies: message.zombies.map(readZone),
    zygotes: message.zygotes.map((zygote) => ({
      zygoteId: id(zygote.zygoteId, parseContainerId, 'zygote'),
      functionId: id(zygote.functionId, parseFunctionId, 'function'),
      imageDigest: zygote.imageDigest,
      state: nameOf(ZYGOTE_STATE, zygote.state, 'zygote state'),
      zoneId: zoneId(zygote.zoneId),
      residentBytes: number(zygote.residentBytes),
      children: zygote.children,
      forks: number(zygote.forks),
      runtime: zygote.runtime,
      reason: zygote.reason,
      createdAt: new Date(zygote.createdAt),
    })),
  };
}

export function readMemory(message: memory.GetMemoryResponse): domain.NodeMemory {
  return {
    residentBytes: number(message.residentBytes),
    pluggedBytes: number(message.pluggedBytes),
    budgetBytes: number(message.budgetBytes),
    freeBudgetBytes: number(message.freeBudgetBytes),
    spareBytes: number(message.spareBytes),
    sandboxes: message.sandboxes.map((sandbox) => ({
      sandboxId: id(sandbox.sandboxId, parseSandboxId, 'sandbox'),
      tenantId: id(sandbox.tenantId, parseTenantId, 'tenant'),
      regionStart: number(sandbox.region?.start ?? 0n),
      regionBytes: number(sandbox.regionBytes),
      pluggedBytes: number(sandbox.pluggedBytes),
      limitBytes: number(sandbox.limitBytes),
      residentBytes: number(sandbox.residentBytes),
      bootResidentBytes: number(sandbox.bootResidentBytes),
      zonesResidentBytes: number(sandbox.zonesResidentBytes),
      strayBytes: number(sandbox.strayBytes),
      vmmBytes: number(sandbox.vmmBytes),
      zones: sandbox.zones.map(readZone),
    })),
  };
}

function readZone(zone: memory.ZoneMemory): domain.ZoneMemory {
  return {
    zoneId: zoneId(zone.zoneId),
    rangeStart: number(zone.range?.start ?? 0n),
    rangeBytes: number(zone.range?.sizeBytes ?? 0n),
    limitBytes: number(zone.limitBytes),
    state: zone.state as domain.ZoneState,
    containerId:
      zone.containerId === '' ? null : id(zone.containerId, parseContainerId, 'container'),
    residentBytes: number(zone.residentBytes),
    inUseBytes: number(zone.inUseBytes),
    pins: zone.pins.map((pin) => ({
      start: number(pin.range?.start ?? 0n),
      sizeBytes: number(pin.range?.sizeBytes ?? 0n),
      reason: pin.reason as domain.PinReason,
      references: pin.references,
    })),
  };
}

export function readReclaimed(message: memory.ReclaimMemoryResponse): Reclaimed {
  return {
    returnedBytes: number(message.returnedBytes),
    zones: message.zones.map((zone) => ({
      containerId: id(zone.containerId, parseContainerId, 'container'),
      zoneId: zoneId(zone.zoneId),
      residentBeforeBytes: number(zone.residentBeforeBytes),
      returnedBytes: number(zone.returnedBytes),
      durationUs: number(zone.durationUs),
      ranges: zone.ranges,
      sizeBytes: number(zone.sizeBytes),
      shrunkBytes: number(zone.shrunkBytes),
      coldBytes: number(zone.coldBytes),
      swappedBytes: number(zone.swappedBytes),
    })),
  };
}

export function readNodeInfo(message: node.GetNodeInfoResponse): domain.NodeInfo {
  return {
    version: message.version,
    nodeId: message.nodeId,
    pid: message.pid,
    startedAt: new Date(message.startedAt),
    accelerator: accelerator(message.accelerator),
    acceleratorReason: message.acceleratorReason,
    vmmVersion: message.vmmVersion,
    guestKernel: message.guestKernel,
    sandboxCount: message.sandboxCount,
    containerCount: message.containerCount,
    maxSandboxes: message.maxSandboxes,
    budgetBytes: number(message.budgetBytes),
    sandboxRegionBytes: number(message.sandboxRegionBytes),
    sandboxBootMemoryBytes: number(message.sandboxBootMemoryBytes),
    functions: message.functions.map((item) => ({
      functionId: id(item.functionId, parseFunctionId, 'function'),
      description: item.description,
      defaultMemoryBytes: number(item.defaultMemoryBytes),
    })),
  };
}

export function number(value: bigint): number {
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw unreadable('a number', String(value));
  return result;
}

function pages(message: containers.PageCount | null): domain.PageCount {
  return { inZone: number(message?.inZone ?? 0n), outside: number(message?.outside ?? 0n) };
}

function id<Id>(text: string, parse: (text: string) => Id | null, what: string): Id {
  const parsed = parse(text);
  if (parsed === null) throw unreadable(`a ${what} id`, JSON.stringify(text));
  return parsed;
}

function zoneId(value: number): ZoneId {
  const parsed = parseZoneId(value);
  if (parsed === null) throw unreadable('a zone id', String(value));
  return parsed;
}

function accelerator(text: string): 'kvm' | 'tcg' {
  if (text === 'kvm' || text === 'tcg') return text;
  throw unreadable('an accelerator', JSON.stringify(text));
}

function unreadable(what: string, value: string): CzoneError {
  return new CzoneError('INTERNAL', `the node sent ${what} that this client can't read ${value}`);
}
