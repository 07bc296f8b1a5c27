// SPDX-License-Identifier: Apache-2.0
// A recording as a run of the demo leaves it: two VMs, ten containers, 40 seconds.

import type { PlannedContainer, Recording, Sample } from '../../src/demo/recording.js';
import {
  FIRST_STOPPED,
  FORKED,
  HOLDER,
  IDLE,
  KILLED,
  OVERRUN,
  PAUSED,
  SCENARIO,
  TWINS,
} from '../../src/demo/scenario.js';
import type { ContainerView, SandboxMemory, ZoneMemory } from '../../src/host/controller-api.js';
import type {
  ContainerId,
  FunctionId,
  SandboxId,
  TenantId,
  ZoneId,
} from '../../src/protocol/ids.js';
import { GIB, MIB } from '../../src/protocol/units.js';

const VMS: Readonly<Record<string, string>> = { acme: 'vm-0a0a0a0a', globex: 'vm-0b0b0b0b' };
const STEP_MS = 250;
const END_MS = 40_000;
/** How long each range is reserved before its zone is there. */
const RESERVED_MS = 500;

/** When each container's zone is there, and what it holds at a moment, MiB. */
interface Life {
  readonly plan: PlannedContainer;
  readonly fromMs: number;
  readonly toMs: number;
  readonly mib: (ms: number) => number;
}

function life(plan: PlannedContainer, at: number): Life {
  const fromMs = 9_000 + at * 1_500;
  const grown = (ms: number) => Math.min(14, (ms - fromMs) / 100);
  const between = (ms: number, from: number, to: number, mib: number) =>
    ms >= from && ms < to ? mib : 0;
  if (plan === IDLE) {
    return { plan, fromMs, toMs: 34_000, mib: (ms) => grown(ms) + between(ms, 20_000, 24_000, 64) };
  }
  if (plan === PAUSED) {
    return { plan, fromMs, toMs: 35_000, mib: (ms) => grown(ms) + between(ms, 21_000, 26_000, 80) };
  }
  if (plan === OVERRUN) {
    return { plan, fromMs, toMs: 29_500, mib: (ms) => grown(ms) + between(ms, 28_500, 29_500, 50) };
  }
  if (plan === HOLDER) {
    return { plan, fromMs, toMs: 37_000, mib: (ms) => grown(ms) + between(ms, 24_000, 40_000, 48) };
  }
  if (plan === FIRST_STOPPED) return { plan, fromMs, toMs: 22_000, mib: grown };
  if (plan === KILLED) return { plan, fromMs, toMs: 26_500, mib: grown };
  return { plan, fromMs, toMs: 36_000 + at * 300, mib: grown };
}

function viewOf({ plan, toMs, mib }: Life, at: number, start: number): ContainerView {
  const residentBytes = Math.round(mib(toMs - STEP_MS) * 256) * 4096;
  return {
    containerId: `c-00000000000${at.toString(16)}` as ContainerId,
    sandboxId: VMS[plan.tenantId] as SandboxId,
    tenantId: plan.tenantId as TenantId,
    functionId: plan.functionId as FunctionId,
    imageDigest: `sha256:${'0'.repeat(64)}`,
    zoneId: (at + 1) as ZoneId,
    rangeStart: start,
    rangeBytes: plan.memoryBytes + 2 * MIB,
    limitBytes: plan.memoryBytes + 2 * MIB,
    memoryBytes: plan.memoryBytes,
    state: 'EXITED',
    endpoint: `http://127.0.0.1:${20_000 + at}`,
    startKind: plan === TWINS[0] || plan === FIRST_STOPPED ? 'COLD' : 'WARM_SANDBOX',
    placementReason: 'its tenant’s VM has room',
    startReason: 'the function has no zygote in this VM yet',
    zygoteId: plan === FORKED ? ('c-0000000000ff' as ContainerId) : null,
    stages: [
      ...(plan === TWINS[0] || plan === FIRST_STOPPED
        ? [{ name: 'vm' as const, durationUs: 8_312_000 }]
        : []),
      { name: 'image', durationUs: 61_000 },
      { name: 'plug', durationUs: 5_400 },
      { name: 'network', durationUs: 150_000 },
      { name: 'spawn', durationUs: 9_000 },
      { name: 'create', durationUs: 640_000 },
      { name: 'ready', durationUs: 990_000 },
    ],
    labels: [],
    createdAt: new Date('2026-01-01T00:00:00Z'),
    exit:
      plan.ending === 'overrun'
        ? { reason: 'OOM_KILLED', exitCode: 0, signal: 9 }
        : plan.ending === 'killed'
          ? { reason: 'SIGNALED', exitCode: 0, signal: 11 }
          : { reason: 'STOPPED', exitCode: 0, signal: 0 },
    memoryReturn: {
      residentBytes,
      returnedBytes: residentBytes,
      earlyBytes: 0,
      unplugUs: 14_000,
      guestUs: 900,
      complete: true,
    },
    guestPid: 300 + at,
    plugGuestUs: 2_100,
  };
}

function sampleAt(ms: number, lives: readonly Life[], views: readonly ContainerView[]): Sample {
  const sandboxes = Object.entries(VMS).map(([tenant, vm]): SandboxMemory => {
    const zones = lives.flatMap((one, at): ZoneMemory[] => {
      const view = views[at];
      if (!view || one.plan.tenantId !== tenant || ms < one.fromMs - RESERVED_MS || ms >= one.toMs)
        return [];
      return [
        {
          zoneId: view.zoneId,
          rangeStart: view.rangeStart,
          rangeBytes: view.rangeBytes,
          limitBytes: view.limitBytes,
          state: ms < one.fromMs ? 'reserved' : 'plugged',
          containerId: view.containerId,
          residentBytes: Math.round(Math.max(one.mib(ms), 0) * 256) * 4096,
          inUseBytes: 0,
          pins: [],
        },
      ];
    });
    const zonesResidentBytes = zones.reduce((sum, zone) => sum + zone.residentBytes, 0);
    const bootResidentBytes = Math.round(Math.min(78, (ms - 1_000) / 90)) * MIB;
    return {
      sandboxId: vm as SandboxId,
      tenantId: tenant as TenantId,
      regionStart: 4 * GIB,
      regionBytes: GIB,
      pluggedBytes: zones.reduce((sum, zone) => sum + zone.rangeBytes, 0),
      limitBytes: zones.reduce((sum, zone) => sum + zone.limitBytes, 0),
      residentBytes: bootResidentBytes + zonesResidentBytes,
      bootResidentBytes,
      zonesResidentBytes,
      strayBytes: 0,
      vmmBytes: 40 * MIB,
      zones,
    };
  });
  return {
    atMs: ms,
    residentBytes: sandboxes.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    sandboxes,
  };
}

/** A run in which everything held. */
export function goodRecording(): Recording {
  const lives = SCENARIO.map(life);
  const next: Record<string, number> = { acme: 4 * GIB, globex: 4 * GIB };
  const views = lives.map((one, at) => {
    const start = next[one.plan.tenantId] ?? 0;
    next[one.plan.tenantId] = start + one.plan.memoryBytes + 2 * MIB;
    return viewOf(one, at, start);
  });
  const samples: Sample[] = [];
  for (let ms = 1_500; ms <= END_MS; ms += STEP_MS) samples.push(sampleAt(ms, lives, views));
  return {
    startedAt: '2026-01-01T00:00:00.000Z',
    durationMs: END_MS + 1_000,
    node: {
      version: '0.1.0',
      nodeId: 'fixture',
      pid: 1,
      startedAt: new Date('2026-01-01T00:00:00Z'),
      accelerator: 'tcg',
      acceleratorReason: 'no /dev/kvm',
      vmmVersion: '10.0.2',
      guestKernel: '6.12-czone',
      sandboxCount: 2,
      containerCount: 0,
      maxSandboxes: 8,
      budgetBytes: 8 * GIB,
      sandboxRegionBytes: GIB,
      sandboxBootMemoryBytes: 256 * MIB,
      functions: [],
    },
    containers: SCENARIO.map((plan, at) => ({
      plan,
      view: views[at] ?? null,
      requestsRight: 3,
      failures: [],
    })),
    events: [
      { atMs: 1_000, kind: 'node', container: null, text: 'answers' },
      { atMs: 20_000, kind: 'allocated', container: IDLE.name, text: 'allocated 64 MiB' },
      { atMs: 21_000, kind: 'allocated', container: PAUSED.name, text: 'allocated 80 MiB' },
      { atMs: 22_000, kind: 'freed', container: IDLE.name, text: 'freed it' },
      { atMs: 22_100, kind: 'freed', container: PAUSED.name, text: 'freed it' },
      { atMs: 24_000, kind: 'reclaimed', container: IDLE.name, text: 'the host took back 64 MiB' },
      { atMs: 25_500, kind: 'paused', container: PAUSED.name, text: 'paused' },
      {
        atMs: 26_000,
        kind: 'reclaimed',
        container: PAUSED.name,
        text: 'the host took back 80 MiB',
      },
      { atMs: 26_300, kind: 'resumed', container: PAUSED.name, text: 'resumed' },
      { atMs: 29_500, kind: 'overrun', container: OVERRUN.name, text: 'ended (OOM_KILLED)' },
      { atMs: 22_000, kind: 'stopped', container: FIRST_STOPPED.name, text: 'stopped' },
      { atMs: 26_500, kind: 'killed', container: KILLED.name, text: 'ended (SIGNALED)' },
      { atMs: 34_000, kind: 'stopped', container: IDLE.name, text: 'stopped' },
      { atMs: 35_000, kind: 'stopped', container: PAUSED.name, text: 'stopped' },
    ],
    samples,
    reclaims: [
      {
        container: IDLE.name,
        paused: false,
        freedBytes: 64 * MIB,
        residentBeforeBytes: 78 * MIB,
        returnedBytes: 64 * MIB,
        durationUs: 40_000,
      },
      {
        container: PAUSED.name,
        paused: true,
        freedBytes: 80 * MIB,
        residentBeforeBytes: 94 * MIB,
        returnedBytes: 80 * MIB,
        durationUs: 50_000,
      },
    ],
    pages: TWINS.map((plan, at) => ({
      container: plan.name,
      anonymousInZone: 2_000,
      anonymousOutside: 0,
      textInZone: 0,
      textOutside: 900,
      sharedWith: TWINS[1 - at]?.name ?? null,
      sharedTextPages: 880,
    })),
    leftovers: {
      memory: sampleAt(END_MS, lives, views),
      nodeExitCode: 0,
      files: [],
      processes: [],
    },
    errors: [],
  };
}
