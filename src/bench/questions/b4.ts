// SPDX-License-Identifier: Apache-2.0
// B4: what do neighbours notice while others come and go?
import { setTimeout as delay } from 'node:timers/promises';
import { KIB, MIB } from '../../protocol/units.js';
import { type Measurement, type Measurements, type Mode, valuesOf } from '../measurement.js';
import { balloon, czone, none, peerTitle, virtioMem } from '../peers/all.js';
import { kernelsOf, type Peer, type PeerVm } from '../peers/peer.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change, ms, ratio } from '../report/numbers.js';
import { barPlot } from '../report/plots.js';
import { median, quantile } from '../statistics.js';
import { BenchVm } from '../vm/bench-vm.js';
import { Pinning } from '../vm/pinning.js';

/** quantum: arithmetic in registers; stream: a triad over arrays larger than caches. */
const WORKS = ['quantum', 'stream'] as const;
type Work = (typeof WORKS)[number];

interface Plan {
  readonly works: readonly Work[];
  readonly peers: readonly Peer[];
  /** Of each kind, of a peer, in turns with the others. */
  readonly windows: number;
  readonly seconds: number;
}

const ALL = [none, czone, virtioMem, balloon];
const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { works: ['quantum'], peers: [none, czone], windows: 1, seconds: 5 },
  usual: { works: WORKS, peers: ALL, windows: 4, seconds: 4 },
  full: { works: WORKS, peers: ALL, windows: 24, seconds: 4 },
};
/** One percent is to be told for us; the others take part in every third window. */
const OTHERS_EVERY = 3;

/** A container every so often, which touches all of its memory and is killed. */
const PERIOD_MS = 1_500;
const CONTAINER_BYTES = 128 * MIB;
/** Lives on, its pages between those of who comes and goes. */
const RESIDENT_BYTES = 128 * MIB;
const RESIDENT_ID = 1;
const VISITOR_ID = 2;
/** Stays where a visitor's memory is kept: a zone with nobody in it gives back what it has. */
const KEEPER_ID = 3;
const KEEPER_BYTES = 64 * KIB;
const TURN_KIB = 64;
/** Until the emulator has translated what it takes. */
const WARM_SECONDS = 4;
const BAR = 0.99;

/**
 * Taken back when a container has ended, or kept for the next one. Compared within one VM:
 * one process of an emulator runs the same loop a quarter faster than another.
 */
const KINDS = ['taken', 'kept'] as const;
type Kind = (typeof KINDS)[number];

/** One of the VMs that take turns; all others stand still. */
interface Contestant {
  readonly peer: Peer;
  readonly vm: BenchVm;
  readonly opened: PeerVm;
}

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const pinning = await Pinning.begin();
  try {
    await measurePinned(context, into, pinning);
  } finally {
    await pinning.end();
  }
}

async function measurePinned(
  context: BenchContext,
  into: Measurements,
  pinning: Pinning,
): Promise<void> {
  const { works, peers, windows, seconds } = PLANS[context.mode];
  for (const work of works) {
    const contestants: Contestant[] = [];
    try {
      for (const peer of peers) contestants.push(await enter(context, pinning, peer, work));
      for (let window = 0; window < windows; window++) {
        // Each is the first as often as the last.
        const here = contestants.filter(
          ({ peer }) => peer === none || peer === czone || window % OTHERS_EVERY === 0,
        );
        const first = window % here.length;
        const order = [...here.slice(first), ...here.slice(0, first)];
        const kinds = window % 2 === 0 ? KINDS : [...KINDS].reverse();
        for (const contestant of order) {
          for (const kind of kinds) await measureOne(into, contestant, { work, kind, seconds });
        }
        context.say(`b4: ${work}, ${window + 1} of ${windows} windows`);
      }
    } finally {
      for (const { vm, opened } of contestants) {
        opened.close();
        await vm.end();
      }
    }
  }
}

/** Its VM, warm and paused. */
async function enter(
  context: BenchContext,
  pinning: Pinning,
  peer: Peer,
  work: Work,
): Promise<Contestant> {
  const containers = [RESIDENT_BYTES, CONTAINER_BYTES];
  const vm = await BenchVm.start(
    context.machine,
    kernelsOf(peer, context.mode)[0],
    peer.shape({
      bytes: RESIDENT_BYTES + CONTAINER_BYTES,
      containers,
      pageSize: '4KiB',
      swapBytes: 0,
    }),
  );
  let opened: PeerVm | null = null;
  try {
    await pinning.pin(vm);
    opened = await peer.open(vm);
    const zone = await opened.admit(RESIDENT_ID, RESIDENT_BYTES);
    await vm.guest.startHog(RESIDENT_ID, zone, RESIDENT_BYTES, false);
    await vm.guest.fillHogs([RESIDENT_ID], TURN_KIB);
    await vm.guest.startNeighbour(work);
    await comeAndGo(vm, opened, WARM_SECONDS, null);
    await vm.guest.stopNeighbour();
    await vm.pause();
    return { peer, vm, opened };
  } catch (error) {
    opened?.close();
    await vm.end();
    throw error;
  }
}

async function measureOne(
  into: Measurements,
  { peer, vm, opened }: Contestant,
  { work, kind, seconds }: { work: Work; kind: Kind; seconds: number },
): Promise<void> {
  await vm.resume();
  const room = kind === 'kept' ? await admit(vm, opened) : null;
  if (room !== null) await vm.guest.startHog(KEEPER_ID, room.zone, KEEPER_BYTES, false);
  await vm.guest.startNeighbour(work);
  const lives = await comeAndGo(vm, opened, seconds, room);
  const done = await vm.guest.stopNeighbour();
  if (room !== null) {
    await vm.guest.killHog(KEEPER_ID);
    await room.release();
  }
  await vm.pause();
  into.add(peer.name, 'meanMs', { work, kind }, done.meanNs / 1e6);
  into.add(peer.name, 'p99Ms', { work, kind }, done.p99Ns / 1e6);
  into.add(peer.name, 'quanta', { work, kind }, done.count);
  into.add(peer.name, 'lives', { work, kind }, lives);
}

/** What a visitor has. */
interface VisitorRoom {
  readonly zone: number;
  /** To be called when its processes have ended. */
  release(): Promise<void>;
}

async function admit(vm: BenchVm, peer: PeerVm): Promise<VisitorRoom> {
  return {
    zone: await peer.admit(VISITOR_ID, CONTAINER_BYTES),
    release: async () => {
      const goalBytes = vm.allocatedBytes() - peer.residentBytes(VISITOR_ID, CONTAINER_BYTES);
      await peer.release(VISITOR_ID, CONTAINER_BYTES, goalBytes);
    },
  };
}

/**
 * At a fixed pace, so that who is faster does not get more to do. `kept`: all of them have
 * this room; else each gets one, which is taken back.
 */
async function comeAndGo(
  vm: BenchVm,
  peer: PeerVm,
  seconds: number,
  kept: VisitorRoom | null,
): Promise<number> {
  const start = performance.now();
  let lives = 0;
  for (let next = start; next < start + seconds * 1000; next += PERIOD_MS) {
    await delay(Math.max(next - performance.now(), 0));
    const room = kept ?? (await admit(vm, peer));
    await vm.guest.startHog(VISITOR_ID, room.zone, CONTAINER_BYTES, false);
    await vm.guest.fillHogs([VISITOR_ID], TURN_KIB);
    await vm.guest.killHog(VISITOR_ID);
    if (kept === null) await room.release();
    lives += 1;
  }
  return lives;
}

const middle = (
  measurements: readonly Measurement[],
  of: string,
  what: string,
  at: { readonly work: Work; readonly kind: Kind },
) => median(valuesOf(measurements, of, what, at));

/**
 * Throughput while memory is taken back, in that of the same VM while it is kept: window by
 * window, since what stands side by side had the same machine.
 */
function throughputs(
  measurements: readonly Measurement[],
  of: string,
  what: 'meanMs' | 'p99Ms',
  work: Work,
): number[] {
  const kept = valuesOf(measurements, of, what, { work, kind: 'kept' });
  return valuesOf(measurements, of, what, { work, kind: 'taken' })
    .slice(0, kept.length)
    .map((taken, window) => (kept[window] ?? Number.NaN) / taken);
}

const throughput = (...of: Parameters<typeof throughputs>) => median(throughputs(...of));

/** The middle half of the windows. */
function between(values: readonly number[]): string {
  return `${ratio(quantile(values, 0.25))} to ${ratio(quantile(values, 0.75))}`;
}

const worksIn = (measurements: readonly Measurement[]) =>
  WORKS.filter((work) => measurements.some(({ at }) => at['work'] === work));
const peersIn = (measurements: readonly Measurement[]) =>
  ALL.filter(({ name }) => measurements.some(({ of }) => of === name));

const TITLES: Readonly<Record<Work, string>> = {
  quantum: 'Arithmetic in registers',
  stream: 'A triad over 12 MiB',
};

function tables(measurements: readonly Measurement[]): Table[] {
  return worksIn(measurements).map((work) => ({
    title: TITLES[work],
    head: [
      'TAKEN BACK BY',
      '>A PIECE OF WORK',
      '>KEPT',
      '>THROUGHPUT',
      '>HALF OF THE WINDOWS',
      '>ITS 1ST PERCENTILE',
      '>LIVES',
    ],
    rows: peersIn(measurements).map(({ name }) => [
      peerTitle(name),
      ms(middle(measurements, name, 'meanMs', { work, kind: 'taken' })),
      ms(middle(measurements, name, 'meanMs', { work, kind: 'kept' })),
      ratio(throughput(measurements, name, 'meanMs', work)),
      between(throughputs(measurements, name, 'meanMs', work)),
      ratio(throughput(measurements, name, 'p99Ms', work)),
      String(middle(measurements, name, 'lives', { work, kind: 'taken' })),
    ]),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  return worksIn(measurements).map((work) => {
    const values = throughputs(measurements, 'czone', 'meanMs', work);
    const value = median(values);
    return {
      what: `${TITLES[work]}: throughput while memory is taken back, in that while it is kept`,
      ours: `${ratio(value)} (${change(value - 1)}; half of the windows ${between(values)})`,
      bar: `at least ${BAR}×`,
      met: value >= BAR,
    };
  });
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  return worksIn(measurements).map((work) => ({
    key: `b4/${work}`,
    value: throughput(measurements, 'czone', 'meanMs', work),
    better: 'higher',
    tolerance: 0.1,
  }));
}

function plots(measurements: readonly Measurement[]): Plot[] {
  const bars = worksIn(measurements).flatMap((work) =>
    peersIn(measurements).map(({ name }) => ({
      group: TITLES[work],
      label: peerTitle(name),
      value: throughput(measurements, name, 'meanMs', work),
    })),
  );
  return [
    {
      name: 'b4',
      title: 'Throughput of a neighbour while containers come and go',
      spec: barPlot(bars, { title: 'of that while memory is kept', log: false }),
    },
  ];
}

export const b4: Question = {
  name: 'b4',
  title: 'B4: what do neighbours notice while others come and go?',
  about:
    'A neighbour does the same piece of work over and over while every 1.5 s a container of 128 MiB comes, touches all of it, and is killed. In some windows its memory is taken back and the next container gets its own; in the others it is kept for all of them. Throughput is that of the first kind in that of the second, in the same VM and side by side. A third process holds 128 MiB all the time. The neighbour has a processor to itself, in the guest and on the host, all else the others. Each way has a VM of its own; they take turns, the others paused. Where nothing is taken back in either, what is left is what the measurement does not know.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
