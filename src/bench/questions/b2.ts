// SPDX-License-Identifier: Apache-2.0
// B2: does it matter how full the rest of the VM is?
import type { PageSize } from '../../host/vm/page-size.js';
import { MIB } from '../../protocol/units.js';
import {
  coordinates,
  type Measurement,
  type Measurements,
  type Mode,
  valuesOf,
} from '../measurement.js';
import { czone, peerTitle, virtioMem } from '../peers/all.js';
import { kernelsOf } from '../peers/peer.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change, ms, share } from '../report/numbers.js';
import { linePlot } from '../report/plots.js';
import { type Flatness, flatness, least, median } from '../statistics.js';
import { killAndReturn, WARM_TIMES } from './kill.js';

interface Plan {
  readonly returnMib: number;
  /** Of the VM beside; so much percent of it is used. */
  readonly restMib: number;
  readonly usedPercent: readonly number[];
  readonly rounds: number;
}

const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { returnMib: 64, restMib: 192, usedPercent: [0, 100], rounds: 1 },
  usual: { returnMib: 256, restMib: 768, usedPercent: [0, 50, 100], rounds: 2 },
  full: { returnMib: 512, restMib: 1536, usedPercent: [0, 20, 40, 60, 80, 100], rounds: 3 },
};

/** What is measured, and from when on. */
const CLOCKS = [
  { what: 'returnMs', from: 'request' },
  // A zone gives back before anybody asks: only in this time is all of its work.
  { what: 'totalMs', from: 'kill' },
] as const;

const PAGES: PageSize = '4KiB';
const PEERS = [czone, virtioMem];
/** The others are so many, each with an equal part of what is used. */
const OTHERS = 3;
const BLOCK_MIB = 2;

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const { returnMib, restMib, usedPercent, rounds } = PLANS[context.mode];
  for (let round = 0; round < rounds; round++) {
    for (const percent of usedPercent) {
      for (const peer of PEERS) {
        // virtio-mem gives and takes whole blocks.
        const eachBlocks = Math.floor((restMib * percent) / 100 / OTHERS / BLOCK_MIB);
        const otherBytes = eachBlocks * BLOCK_MIB * MIB;
        const { kills } = await killAndReturn(context, {
          peer,
          kernel: kernelsOf(peer, context.mode)[0],
          pageSize: PAGES,
          killBytes: [returnMib * MIB],
          otherBytes: otherBytes === 0 ? [] : Array.from({ length: OTHERS }, () => otherBytes),
          freeBytes: restMib * MIB - otherBytes * OTHERS,
          warmTimes: WARM_TIMES,
        });
        const at = { usedPercent: percent, returnMib };
        for (const kill of kills) {
          into.add(peer.name, 'returnMs', at, kill.returnMs);
          into.add(peer.name, 'totalMs', at, kill.exitMs + kill.returnMs);
          into.add(peer.name, 'returnedShare', at, kill.returnedBytes / kill.residentBytes);
        }
        const [first] = kills;
        context.say(`b2: ${peer.title}, ${percent} % used: ${ms(first?.returnMs ?? 0)} back`);
      }
    }
  }
}

function flatnessOf(measurements: readonly Measurement[], of: string, what: string): Flatness {
  return flatness(
    coordinates(measurements, 'usedPercent').map((usedPercent) => ({
      x: Number(usedPercent),
      values: valuesOf(measurements, of, what, { usedPercent: Number(usedPercent) }),
    })),
  );
}

function tables(measurements: readonly Measurement[]): Table[] {
  const percents = coordinates(measurements, 'usedPercent').map(Number);
  const [returnMib] = coordinates(measurements, 'returnMib');
  return CLOCKS.map(({ what, from }) => ({
    title: `Return of ${returnMib} MiB from the ${from} on, so much of the other memory used`,
    head: ['BY', ...percents.map((percent) => `>${percent} %`), '>RISE'],
    rows: PEERS.map(({ name }) => [
      peerTitle(name),
      ...percents.map((usedPercent) =>
        ms(median(valuesOf(measurements, name, what, { usedPercent }))),
      ),
      change(flatnessOf(measurements, name, what).rise),
    ]),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const returned = least(valuesOf(measurements, 'czone', 'returnedShare'));
  return [
    ...CLOCKS.map(({ what, from }) => {
      const ours = flatnessOf(measurements, 'czone', what);
      return {
        what: `rise of the time from the ${from}, from an empty to a full VM`,
        ours: `${change(ours.rise)}, noise ${share(ours.noise)}`,
        bar: 'no rise beyond noise',
        met: ours.flat,
      };
    }),
    {
      what: 'bytes returned of those resident, at least',
      ours: share(returned),
      bar: '100 %',
      met: returned >= 1,
    },
  ];
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const percents = coordinates(measurements, 'usedPercent').map(Number);
  const at = (of: string, usedPercent: number) =>
    median(valuesOf(measurements, of, 'totalMs', { usedPercent }));
  const [first = 0, last = 0] = [percents[0], percents.at(-1)];
  return [
    {
      key: 'b2/kill/full-to-empty',
      value: at('czone', last) / at('czone', first),
      better: 'lower',
      tolerance: 0.5,
    },
    {
      key: 'b2/kill/virtio-mem/full',
      value: at('virtio-mem', last) / at('czone', last),
      better: 'higher',
      tolerance: 0.5,
    },
  ];
}

function plots(measurements: readonly Measurement[]): Plot[] {
  return [
    {
      name: 'b2',
      title: 'Time from the request until the bytes are back, so much of the other memory used',
      spec: linePlot({
        measurements: measurements.filter(({ what }) => what === 'returnMs'),
        x: { name: 'usedPercent', title: 'other memory used, %', log: false },
        y: { title: 'ms, median', log: true },
        label: ({ of }) => peerTitle(of),
      }),
    },
  ];
}

export const b2: Question = {
  name: 'b2',
  title: 'B2: does it matter how full the rest of the VM is?',
  about:
    'One container of a VM is killed and its memory taken back while neighbours, whose pages lie between those of the container where no zone keeps them apart, use between nothing and all of the rest. 4 KiB pages.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
