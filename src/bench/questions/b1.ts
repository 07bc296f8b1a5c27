// SPDX-License-Identifier: Apache-2.0
// B1: how fast, and how completely, the memory of a container comes back that was killed.
import { PAGE_SIZES, type PageSize } from '../../host/vm/page-size.js';
import { MIB } from '../../protocol/units.js';
import { punchLimit } from '../limit.js';
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
  virtioMem,
} from '../peers/all.js';
import { kernelsOf, type Peer } from '../peers/peer.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { ms, ratio, share } from '../report/numbers.js';
import { linePlot } from '../report/plots.js';
import { least, median } from '../statistics.js';
import type { Kernel } from '../vm/bench-vm.js';
import { killAndReturn, TURN_BYTES, WARM_TIMES } from './kill.js';

interface Round {
  /** Of the containers, MiB. */
  readonly sizesMib: readonly number[];
  /** Free page reporting too, whose answers are a matter of seconds. */
  readonly reporting: boolean;
  /** Peers on the patched kernel too. */
  readonly bothKernels: boolean;
}

interface Plan {
  readonly rounds: readonly Round[];
  readonly hogs: number;
}

const ASKED = [czone, virtioMem, balloon];
const REPORTING = [freePageReporting, freePageReportingDefault];
const REPORTING_HOGS = 2;
const REPORTING_WARM_TIMES = 1;
const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { rounds: [{ sizesMib: [128], reporting: false, bothKernels: false }], hogs: 2 },
  usual: { rounds: [{ sizesMib: [128, 512], reporting: true, bothKernels: false }], hogs: 3 },
  // The large ones take minutes for each peer: to touch 8 GiB of small pages, emulated.
  full: {
    rounds: [
      { sizesMib: [128, 256, 512], reporting: true, bothKernels: true },
      { sizesMib: [1024, 2048], reporting: false, bothKernels: false },
      { sizesMib: [128, 256, 512], reporting: false, bothKernels: false },
    ],
    hogs: 4,
  },
};

const BAR = 1.1;
const LIMIT_ROUNDS = 3;
/** Like a container's, whose last touch is not a moment ago, nor is the one's before it. */
const REST_MS = 1000;
const RESTED = 'limit-rested';
/** Of pages that lie as hogs' do: as many ranges as hogs, touched in turns. */
const IN_TURNS = 'limit-in-turns';
const LIMITS = ['limit', RESTED, IN_TURNS] as const;
type Limit = (typeof LIMITS)[number];
const LIMIT_TITLES: Readonly<Record<Limit, string>> = {
  limit: peerTitle('limit'),
  [RESTED]: `${peerTitle('limit')}, rested`,
  [IN_TURNS]: `${peerTitle('limit')}, rested, touched in turns`,
};

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const { rounds, hogs } = PLANS[context.mode];
  for (const { sizesMib, reporting, bothKernels } of rounds) {
    for (const sizeMib of sizesMib) {
      for (const pages of PAGE_SIZES) {
        await measureLimits(context, into, sizeMib, pages, hogs);
        for (const peer of ASKED) {
          const kernels = kernelsOf(peer, context.mode);
          for (const kernel of bothKernels ? kernels : kernels.slice(0, 1)) {
            const warmTimes = WARM_TIMES;
            await measurePeer(context, into, { peer, kernel, sizeMib, pages, hogs, warmTimes });
            // Before and after: the machine's speed changes from one minute to the next.
            if (peer === czone) await measureLimits(context, into, sizeMib, pages, hogs);
          }
        }
        for (const peer of reporting ? REPORTING : []) {
          const [kernel] = kernelsOf(peer, context.mode);
          const few = { hogs: REPORTING_HOGS, warmTimes: REPORTING_WARM_TIMES };
          await measurePeer(context, into, { peer, kernel, sizeMib, pages, ...few });
        }
      }
    }
  }
}

async function measureLimits(
  context: BenchContext,
  into: Measurements,
  sizeMib: number,
  pages: PageSize,
  hogs: number,
): Promise<void> {
  const bytes = sizeMib * MIB;
  const whole = { rounds: LIMIT_ROUNDS, ranges: 1, turnBytes: bytes };
  const inTurns = { rounds: 1, ranges: hogs, turnBytes: TURN_BYTES[pages] };
  for (const [of, how] of [
    ['limit', { ...whole, restMs: 0 }],
    [RESTED, { ...whole, restMs: REST_MS }],
    [IN_TURNS, { ...inTurns, restMs: REST_MS }],
  ] as const) {
    const punches = await punchLimit(context.machine, context.punchPath, {
      bytes,
      pageSize: pages,
      ...how,
    });
    for (const { ns, hugeBytes } of punches) {
      into.add(of, 'returnMs', { sizeMib, pages }, ns / 1e6);
      into.add(of, 'hugeShare', { sizeMib, pages }, hugeBytes / bytes);
    }
  }
}

async function measurePeer(
  context: BenchContext,
  into: Measurements,
  at: {
    peer: Peer;
    kernel: Kernel;
    sizeMib: number;
    pages: PageSize;
    hogs: number;
    warmTimes: number;
  },
): Promise<void> {
  const { peer, kernel, sizeMib, pages, warmTimes } = at;
  const { kills, allocatedBytes, hugeBytes } = await killAndReturn(context, {
    peer,
    kernel,
    pageSize: pages,
    killBytes: Array.from({ length: at.hogs }, () => sizeMib * MIB),
    otherBytes: [],
    freeBytes: 0,
    warmTimes,
  });
  const where = { sizeMib, pages, kernel };
  for (const kill of kills) {
    into.add(peer.name, 'returnMs', where, kill.returnMs);
    into.add(peer.name, 'exitMs', where, kill.exitMs);
    into.add(peer.name, 'totalMs', where, kill.exitMs + kill.returnMs);
    into.add(peer.name, 'returnedShare', where, kill.returnedBytes / kill.residentBytes);
    if (kill.earlyBytes !== null) {
      into.add(peer.name, 'earlyShare', where, kill.earlyBytes / kill.residentBytes);
    }
    if (kill.guestMs !== null) into.add(peer.name, 'guestMs', where, kill.guestMs);
    if (kill.roundTripMs > 0) into.add(peer.name, 'roundTripMs', where, kill.roundTripMs);
  }
  into.add(peer.name, 'hugeShare', where, hugeBytes / allocatedBytes);
  const times = kills.map(({ returnMs }) => returnMs);
  context.say(
    `b1: ${peer.title} on ${kernel}, ${sizeMib} MiB, ${pages} pages: ${ms(median(times))} back`,
  );
}

interface Row {
  readonly sizeMib: number;
  readonly pages: string;
  readonly of: string;
  readonly kernel: string;
  readonly returnMs: number;
  readonly totalMs: number;
  readonly returnedShare: number;
}

function isLimit(of: string): of is Limit {
  return (LIMITS as readonly string[]).includes(of);
}

function rows(measurements: readonly Measurement[]): Row[] {
  return measurements
    .filter(({ what, of }) => what === 'returnMs' && !isLimit(of))
    .map(({ of, at, values }) => ({
      sizeMib: Number(at['sizeMib']),
      pages: String(at['pages']),
      of,
      kernel: String(at['kernel']),
      returnMs: median(values),
      totalMs: median(valuesOf(measurements, of, 'totalMs', at)),
      returnedShare: least(valuesOf(measurements, of, 'returnedShare', at)),
    }));
}

function limitMs(
  measurements: readonly Measurement[],
  row: Pick<Row, 'sizeMib' | 'pages'>,
  of: Limit = 'limit',
) {
  const { sizeMib, pages } = row;
  return median(valuesOf(measurements, of, 'returnMs', { sizeMib, pages }));
}

function tripMs(measurements: readonly Measurement[], row: Row): number {
  const { sizeMib, pages } = row;
  return median(valuesOf(measurements, 'czone', 'roundTripMs', { sizeMib, pages }));
}

/** Ours without the device's round trip, in bare fallocates. */
function againstLimit(measurements: readonly Measurement[], row: Row): number {
  return (row.returnMs - tripMs(measurements, row)) / limitMs(measurements, row);
}

/** In results of before it was measured nothing was. */
function earlyShare(measurements: readonly Measurement[], row: Row): number {
  const { sizeMib, pages, kernel } = row;
  const values = valuesOf(measurements, 'czone', 'earlyShare', { sizeMib, pages, kernel });
  return values.length > 0 ? median(values) : 0;
}

/** A file of an earlier run may know fewer of them. */
function limitsOf(
  measurements: readonly Measurement[],
  row: Pick<Row, 'sizeMib' | 'pages'>,
): { readonly of: Limit; readonly returnMs: number }[] {
  return LIMITS.map((of) => ({ of, returnMs: limitMs(measurements, row, of) })).filter(
    ({ returnMs }) => !Number.isNaN(returnMs),
  );
}

function tables(measurements: readonly Measurement[]): Table[] {
  const all = rows(measurements);
  return coordinates(measurements, 'pages').map((pages) => ({
    title:
      pages === '2MiB'
        ? '2 MiB pages on the host, transparent huge pages in the guest'
        : '4 KiB pages on the host and in the guest',
    head: [
      'CONTAINER',
      'BY',
      'KERNEL',
      '>BYTES BACK',
      '>× CZONE',
      '>RETURNED, AT LEAST',
      '>FROM THE KILL',
      '>× CZONE',
    ],
    rows: coordinates(measurements, 'sizeMib').flatMap((sizeMib) => {
      const here = all.filter((row) => row.pages === pages && row.sizeMib === sizeMib);
      const czoneRow = here.find(({ of }) => of === 'czone');
      const ours = czoneRow?.returnMs ?? Number.NaN;
      const oursTotal = czoneRow?.totalMs ?? Number.NaN;
      const which = { sizeMib: Number(sizeMib), pages: String(pages) };
      return [
        ...limitsOf(measurements, which).map(({ of, returnMs }, index) => [
          index === 0 ? `${sizeMib} MiB` : '',
          LIMIT_TITLES[of],
          '',
          ms(returnMs),
          ratio(returnMs / ours),
          '',
          '',
          '',
        ]),
        ...here.map((row) => [
          '',
          peerTitle(row.of),
          row.kernel,
          ms(row.returnMs),
          ratio(row.returnMs / ours),
          share(row.returnedShare),
          ms(row.totalMs),
          ratio(row.totalMs / oursTotal),
        ]),
      ];
    }),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  return rows(measurements)
    .filter(({ of }) => of === 'czone')
    .flatMap((row) => {
      const times = againstLimit(measurements, row);
      const where = `${row.sizeMib} MiB, ${row.pages} pages`;
      return [
        {
          what: `${where}: time of the return, less a round trip, in bare fallocates`,
          ours: times > 0 ? ratio(times) : 'a round trip took longer',
          bar: `at most ${BAR}×`,
          // Of a few kills: where a round trip or two was slow, it has to do without one.
          met: times > 0 || row.returnMs <= BAR * limitMs(measurements, row) ? times <= BAR : null,
        },
        {
          what: `${where}: bytes that were back before the request, of those resident`,
          ours: share(earlyShare(measurements, row)),
          bar: 'told',
          met: null,
        },
        {
          what: `${where}: time from the kill until all bytes were back`,
          ours: ms(row.totalMs),
          bar: 'told',
          met: null,
        },
        {
          what: `${where}: bytes returned of those resident, at least`,
          ours: share(row.returnedShare),
          bar: '100 %',
          met: row.returnedShare >= 1,
        },
      ];
    });
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const all = rows(measurements);
  return all.flatMap((row): Guarded[] => {
    const key = `${row.sizeMib}MiB/${row.pages}`;
    if (row.of === 'czone') {
      // Far below the bar it is a matter of a millisecond, and of chance.
      const value = Math.max(againstLimit(measurements, row), BAR / 2);
      return [
        { key: `b1/limit/${key}`, value, better: 'lower', tolerance: 0.3 },
        { key: `b1/returned/${key}`, value: row.returnedShare, better: 'higher', tolerance: 0.001 },
      ];
    }
    const ours = all.find(
      ({ of, sizeMib, pages }) => of === 'czone' && sizeMib === row.sizeMib && pages === row.pages,
    );
    if (ours === undefined || row.of.startsWith('reporting')) return [];
    return [
      {
        key: `b1/kill/${row.of}/${row.kernel}/${key}`,
        value: row.totalMs / ours.totalMs,
        better: 'higher',
        tolerance: 0.5,
      },
    ];
  });
}

function plots(measurements: readonly Measurement[]): Plot[] {
  return coordinates(measurements, 'pages').map((pages) => ({
    name: `b1-${pages}`,
    title: `Time from the request until all bytes of a killed container are back, ${pages} pages`,
    spec: linePlot({
      measurements: measurements.filter(
        ({ what, at, of }) =>
          what === 'returnMs' &&
          at['pages'] === pages &&
          of !== 'none' &&
          of !== RESTED &&
          of !== IN_TURNS,
      ),
      x: { name: 'sizeMib', title: 'container, MiB', log: true },
      y: { title: 'ms, median', log: true },
      label: ({ of, at }) =>
        of === 'limit' || of === 'czone' ? peerTitle(of) : `${peerTitle(of)} (${at['kernel']})`,
    }),
  }));
}

export const b1: Question = {
  name: 'b1',
  title: 'B1: a container is killed: when has the host its memory back?',
  about:
    'A VM is full of memory hogs, each a process in a cgroup of its own, that touched their memory in turns (64 KiB at a time with 4 KiB pages, a huge page at a time with 2 MiB pages), so that without zones their pages lie interleaved. They are killed one by one. The clock runs from the request (the processes are gone) until the host has the bytes, counted as allocated blocks of the VM’s memory. The limit is one fallocate(PUNCH_HOLE) over as many resident bytes in a plain process, measured before and after czone: right after the last touch, and of rested pages: each punch after a second in which the process did nothing. A row “touched in turns” is of rested pages that lie as the hogs’ do: one of as many ranges as hogs. A zone whose last processes end gives memory back while they do, before anybody asks: how much of it is told, and counts as returned. It takes some of the host’s time while the guest ends the process, so the time from the kill, in which all of it is done, stands beside. The guest’s part of either is its processor’s, which under emulation is many times slower than the host’s.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
