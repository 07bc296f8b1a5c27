// SPDX-License-Identifier: Apache-2.0
// B4: what do neighbours notice while others come and go?
import { setTimeout as delay } from 'node:timers/promises';
import { MIB } from '../../protocol/units.js';
import { type Measurement, type Measurements, type Mode, valuesOf } from '../measurement.js';
import { balloon, czone, none, peerTitle, virtioMem } from '../peers/all.js';
import { kernelsOf, type Peer, type PeerVm } from '../peers/peer.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change, ms, ratio } from '../report/numbers.js';
import { barPlot } from '../report/plots.js';
import { median } from '../statistics.js';
import { BenchVm } from '../vm/bench-vm.js';

/** quantum: arithmetic in registers; stream: a triad over arrays larger than caches. */
const WORKS = ['quantum', 'stream'] as const;
type Work = (typeof WORKS)[number];

interface Plan {
  readonly works: readonly Work[];
  readonly peers: readonly Peer[];
  readonly seconds: number;
  readonly rounds: number;
}

const ALL = [none, czone, virtioMem, balloon];
const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { works: ['quantum'], peers: [none, czone], seconds: 5, rounds: 1 },
  usual: { works: WORKS, peers: ALL, seconds: 15, rounds: 2 },
  full: { works: WORKS, peers: ALL, seconds: 30, rounds: 3 },
};

/** A container every so often, which touches all of its memory and is killed. */
const PERIOD_MS = 1_500;
const CONTAINER_BYTES = 128 * MIB;
/** Lives on, its pages between those of who comes and goes. */
const RESIDENT_BYTES = 128 * MIB;
const RESIDENT_ID = 1;
const VISITOR_ID = 2;
const TURN_KIB = 64;
const BAR = 0.99;

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const { works, peers, seconds, rounds } = PLANS[context.mode];
  for (let round = 0; round < rounds; round++) {
    for (const work of works) {
      // Each before the other as often as behind it.
      const order = round % 2 === 0 ? peers : [...peers].reverse();
      for (const peer of order) await measureOne(context, into, peer, work, seconds);
    }
  }
}

async function measureOne(
  context: BenchContext,
  into: Measurements,
  peer: Peer,
  work: Work,
  seconds: number,
): Promise<void> {
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
    opened = await peer.open(vm);
    const zone = await opened.admit(RESIDENT_ID, RESIDENT_BYTES);
    await vm.guest.startHog(RESIDENT_ID, zone, RESIDENT_BYTES, false);
    await vm.guest.fillHogs([RESIDENT_ID], TURN_KIB);
    await oneLife(vm, opened);
    await vm.guest.startNeighbour(work);
    const lives = await comeAndGo(vm, opened, seconds);
    const done = await vm.guest.stopNeighbour();
    into.add(peer.name, 'meanMs', { work }, done.meanNs / 1e6);
    into.add(peer.name, 'p99Ms', { work }, done.p99Ns / 1e6);
    into.add(peer.name, 'quanta', { work }, done.count);
    into.add(peer.name, 'lives', { work }, lives);
    context.say(`b4: ${peer.title}, ${work}: ${ms(done.meanNs / 1e6)} a piece of work`);
  } finally {
    opened?.close();
    await vm.end();
  }
}

/** At a fixed pace, so that who is faster does not get more to do. */
async function comeAndGo(vm: BenchVm, peer: PeerVm, seconds: number): Promise<number> {
  const start = performance.now();
  let lives = 0;
  for (let next = start; next < start + seconds * 1000; next += PERIOD_MS) {
    await delay(Math.max(next - performance.now(), 0));
    await oneLife(vm, peer);
    lives += 1;
  }
  return lives;
}

async function oneLife(vm: BenchVm, peer: PeerVm): Promise<void> {
  const zone = await peer.admit(VISITOR_ID, CONTAINER_BYTES);
  await vm.guest.startHog(VISITOR_ID, zone, CONTAINER_BYTES, false);
  await vm.guest.fillHogs([VISITOR_ID], TURN_KIB);
  const before = vm.allocatedBytes();
  const residentBytes = peer.residentBytes(VISITOR_ID, CONTAINER_BYTES);
  await vm.guest.killHog(VISITOR_ID);
  await peer.release(VISITOR_ID, CONTAINER_BYTES, before - residentBytes);
}

const middle = (measurements: readonly Measurement[], of: string, what: string, work: Work) =>
  median(valuesOf(measurements, of, what, { work }));

/** Throughput, in that of a VM from which nothing is taken back. */
function throughput(
  measurements: readonly Measurement[],
  of: string,
  what: 'meanMs' | 'p99Ms',
  work: Work,
): number {
  return middle(measurements, 'none', what, work) / middle(measurements, of, what, work);
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
    head: ['TAKEN BACK BY', '>A PIECE OF WORK', '>THROUGHPUT', '>ITS 1ST PERCENTILE', '>LIVES'],
    rows: peersIn(measurements).map(({ name }) => [
      peerTitle(name),
      ms(middle(measurements, name, 'meanMs', work)),
      ratio(throughput(measurements, name, 'meanMs', work)),
      ratio(throughput(measurements, name, 'p99Ms', work)),
      String(middle(measurements, name, 'lives', work)),
    ]),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  return worksIn(measurements).map((work) => {
    const value = throughput(measurements, 'czone', 'meanMs', work);
    return {
      what: `${TITLES[work]}: throughput beside a VM from which nothing is taken back`,
      ours: `${ratio(value)} (${change(value - 1)})`,
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
      spec: barPlot(bars, { title: 'of that with nothing taken back', log: false }),
    },
  ];
}

export const b4: Question = {
  name: 'b4',
  title: 'B4: what do neighbours notice while others come and go?',
  about:
    'A neighbour does the same piece of work over and over while every 1.5 s a container of 128 MiB comes, touches all of it, is killed, and its memory is taken back, or is not. A third process holds 128 MiB all the time.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
