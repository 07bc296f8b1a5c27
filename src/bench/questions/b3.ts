// SPDX-License-Identifier: Apache-2.0
// B3: what comes back of a container that lives and is idle, and what it then costs.
import { MIB } from '../../protocol/units.js';
import {
  coordinates,
  type Measurement,
  type Measurements,
  type Mode,
  valuesOf,
} from '../measurement.js';
import {
  balloon,
  czone,
  freePageReporting,
  freePageReportingDefault,
  peerTitle,
} from '../peers/all.js';
import { kernelsOf, type Peer, type PeerVm } from '../peers/peer.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { ms, seconds, share } from '../report/numbers.js';
import { barPlot } from '../report/plots.js';
import { least, median } from '../statistics.js';
import { BenchVm } from '../vm/bench-vm.js';

/** freed: it has freed its memory; held: it has not, and what is cold is swapped out. */
const CASES = ['freed', 'held'] as const;
type Case = (typeof CASES)[number];

interface Plan {
  readonly containerMib: number;
  readonly rounds: number;
  readonly peers: readonly Peer[];
}

const ALL = [czone, freePageReporting, freePageReportingDefault, balloon];
const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { containerMib: 64, rounds: 1, peers: [czone, balloon] },
  usual: { containerMib: 256, rounds: 1, peers: ALL },
  full: { containerMib: 256, rounds: 3, peers: ALL },
};

/** Containers whose memory lies interleaved; the first is asked. */
const CONTAINERS = 3;
const TURN_KIB = 64;
/** Of its memory it frees, or is asked for, so much; the last part. */
const FREED_SHARE = 0.75;
/** Its next request writes so much of what it kept, and as much of what went. */
const REQUEST_BYTES = 8 * MIB;
const SWAP_DEVICE = '/dev/vda';

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const { containerMib, rounds, peers } = PLANS[context.mode];
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      for (const what of CASES) {
        const sample = await measureOne(context, peer, what, containerMib * MIB);
        const at = { case: what, containerMib };
        for (const [name, value] of Object.entries<number>({ ...sample }))
          into.add(peer.name, name, at, value);
        context.say(
          `b3: ${peer.title}, ${what}: ${share(sample.returnedShare)} in ${ms(sample.returnMs)}`,
        );
      }
    }
  }
}

interface Sample {
  readonly returnMs: number;
  /** Of what it has freed, or was asked for. */
  readonly returnedShare: number;
  readonly cpuSeconds: number;
  readonly requestBeforeMs: number;
  readonly requestAfterMs: number;
}

async function measureOne(
  context: BenchContext,
  peer: Peer,
  what: Case,
  bytes: number,
): Promise<Sample> {
  const containers = Array.from({ length: CONTAINERS }, () => bytes);
  const vm = await BenchVm.start(
    context.machine,
    kernelsOf(peer, context.mode)[0],
    peer.shape({
      bytes: bytes * CONTAINERS,
      containers,
      pageSize: '4KiB',
      swapBytes: what === 'held' ? bytes * 2 : 0,
    }),
  );
  let opened: PeerVm | null = null;
  try {
    if (what === 'held') await vm.guest.swapTo(SWAP_DEVICE);
    opened = await peer.open(vm);
    const ids = containers.map((_, index) => index + 1);
    for (const id of ids) {
      await vm.guest.startHog(id, await opened.admit(id, bytes), bytes, false);
    }
    await vm.guest.fillHogs(ids, TURN_KIB);
    return await ask(vm, opened, what, bytes);
  } finally {
    opened?.close();
    await vm.end();
  }
}

async function ask(vm: BenchVm, peer: PeerVm, what: Case, bytes: number): Promise<Sample> {
  const { guest } = vm;
  const freedBytes = Math.floor((bytes * FREED_SHARE) / (64 * 1024)) * 64 * 1024;
  const kept = bytes - freedBytes;
  const request = async () =>
    ((await guest.writeHog(1, 0, REQUEST_BYTES)) + (await guest.writeHog(1, kept, REQUEST_BYTES))) /
    1e6;
  await request();
  const requestBeforeMs = await request();
  // What is freed is freed before anybody asks.
  if (what === 'freed') await guest.dropHog(1, kept, freedBytes);
  const before = vm.allocatedBytes();
  const cpuBefore = cpuSeconds(vm);
  const startMs = performance.now();
  if (what === 'held') await guest.reclaimHog(1, freedBytes);
  const reclaimedMs = performance.now() - startMs;
  const { ms: trimMs } = await peer.trim(1, freedBytes, before - freedBytes);
  const sample = {
    returnMs: reclaimedMs + trimMs,
    returnedShare: (before - vm.allocatedBytes()) / freedBytes,
    cpuSeconds: cpuSeconds(vm) - cpuBefore,
  };
  return { ...sample, requestBeforeMs, requestAfterMs: await request() };
}

/** Of the VM, and of what asks it. */
function cpuSeconds(vm: BenchVm): number {
  const { user, system } = process.cpuUsage();
  return vm.cpuSeconds() + (user + system) / 1e6;
}

const middle = (measurements: readonly Measurement[], of: string, what: string, where: Case) =>
  median(valuesOf(measurements, of, what, { case: where }));

const TITLES: Readonly<Record<Case, string>> = {
  freed: 'It has freed three quarters of its memory',
  held: 'It still holds all of it; three quarters are asked of its cgroup (memory.reclaim, to a swap disk) first',
};

const peersIn = (measurements: readonly Measurement[]) =>
  ALL.filter(({ name }) => measurements.some(({ of }) => of === name));

function tables(measurements: readonly Measurement[]): Table[] {
  return CASES.map((where) => ({
    title: TITLES[where],
    head: ['BY', '>RETURNED', '>IN', '>PROCESSOR', '>NEXT REQUEST', '>BEFORE'],
    rows: peersIn(measurements).map(({ name }) => [
      peerTitle(name),
      share(middle(measurements, name, 'returnedShare', where)),
      ms(middle(measurements, name, 'returnMs', where)),
      seconds(middle(measurements, name, 'cpuSeconds', where)),
      ms(middle(measurements, name, 'requestAfterMs', where)),
      ms(middle(measurements, name, 'requestBeforeMs', where)),
    ]),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const returned = least(valuesOf(measurements, 'czone', 'returnedShare', { case: 'freed' }));
  const held = middle(measurements, 'czone', 'returnedShare', 'held');
  return [
    {
      what: 'of what a live container has freed, returned in one pass, at least',
      ours: share(returned),
      // The kernel's own page tables and lists come and go by a few pages.
      bar: '99 %',
      met: returned >= 0.99,
    },
    {
      what: 'of what a live container holds and was asked for',
      ours: share(held),
      bar: 'told',
      met: null,
    },
  ];
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const of = (what: string, where: Case) => middle(measurements, 'czone', what, where);
  return [
    {
      key: 'b3/freed/returned',
      value: of('returnedShare', 'freed'),
      better: 'higher',
      tolerance: 0.01,
    },
    {
      key: 'b3/held/returned',
      value: of('returnedShare', 'held'),
      better: 'higher',
      tolerance: 0.05,
    },
    {
      key: 'b3/freed/balloon',
      value: middle(measurements, 'balloon', 'returnMs', 'freed') / of('returnMs', 'freed'),
      better: 'higher',
      tolerance: 0.5,
    },
  ];
}

function plots(measurements: readonly Measurement[]): Plot[] {
  const [size] = coordinates(measurements, 'containerMib');
  const bars = CASES.flatMap((where) =>
    peersIn(measurements).map(({ name }) => ({
      group: where === 'freed' ? 'has freed it' : 'still holds it',
      label: peerTitle(name),
      value: 100 * middle(measurements, name, 'returnedShare', where),
    })),
  );
  return [
    {
      name: 'b3',
      title: `Returned of three quarters of a live container of ${size} MiB`,
      spec: barPlot(bars, { title: '% returned', log: false }),
    },
  ];
}

export const b3: Question = {
  name: 'b3',
  title: 'B3: what comes back of a container that lives and is idle?',
  about:
    'Three containers have touched their memory in turns. One of them is idle, and three quarters of its memory are wanted back: because it has freed them, or although it has not. The time runs from the request until the bytes are back or no more come; the processor’s time is that of VM, VMM and whoever asks. The next request writes 8 MiB of what the container kept and 8 MiB of what went. virtio-mem is not asked: it cannot be told whose memory to take.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
