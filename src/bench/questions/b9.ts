// SPDX-License-Identifier: Apache-2.0
// B9: what do zones cost who allocates memory? Counted in instructions.
import { checkCalibration, costsOf, type FaultCost, readLines } from '../../kernel-dev/bench.js';
import { MIB } from '../../protocol/units.js';
import { coordinates, type Measurement, type Measurements, valuesOf } from '../measurement.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change } from '../report/numbers.js';
import { barPlot } from '../report/plots.js';
import { median } from '../statistics.js';
import { BenchVm, type Kernel } from '../vm/bench-vm.js';

const PROGRAM = '/czone_bench';
const TIMEOUT_MS = 20 * 60_000;
const LOW_BYTES = 512 * MIB;
/** The largest zone that czone_bench plugs. */
const REGION_BYTES = 512 * MIB;
/** By one more instruction in a hundred. */
const BAR = 0.01;

const PLACES = ['outside', 'outsideWithZone', 'largeZone', 'zone'] as const;
type FaultPlace = (typeof PLACES)[number];
const TITLES: Readonly<Record<FaultPlace, string>> = {
  outside: 'outside of zones',
  outsideWithZone: 'outside, while a zone is live',
  largeZone: 'in a zone of 512 MiB, as is outside',
  zone: 'in a zone of 128 MiB',
};

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const stock = context.mode === 'quick' ? null : await faults(context, 'stock', 'faults');
  if (stock !== null) context.say('b9: faults of the unpatched kernel are counted');
  const patched = await faults(context, 'czone', 'zone-faults');
  const calibration = patched.find((line) => line.name === 'calibration');
  const { ticks, instructions } = checkCalibration(
    calibration?.name === 'calibration' && 'ticks' in calibration ? calibration : undefined,
  );
  into.add('clock', 'ticksAnInstruction', {}, ticks / instructions);
  const unpatched = stock ?? patched.filter((line) => 'where' in line && line.where === 'outside');
  const record = (what: string, costs: readonly FaultCost[]) => {
    for (const cost of costs) {
      if (stock !== null) into.add('unpatched', what, { kind: cost.kind }, cost.unpatched);
      for (const place of PLACES) into.add(place, what, { kind: cost.kind }, cost[place]);
    }
  };
  record(
    'medianInstructions',
    costsOf(unpatched, patched, ({ medianTicks }) => medianTicks),
  );
  record(
    'meanInstructions',
    costsOf(unpatched, patched, ({ meanTicks }) => meanTicks),
  );
}

async function faults(context: BenchContext, kernel: Kernel, words: string) {
  const vm = await BenchVm.start(context.machine, kernel, {
    lowBytes: LOW_BYTES,
    highBytes: REGION_BYTES,
    zones: true,
    virtioMemBytes: 0,
    balloon: 'none',
    swapBytes: 0,
    pageSize: '4KiB',
    clock: 'instructions',
    append: [],
  });
  try {
    const lines = await vm.guest.run([PROGRAM, words], TIMEOUT_MS);
    return readLines(lines.join('\n'));
  } finally {
    await vm.end();
  }
}

function kinds(measurements: readonly Measurement[]): string[] {
  return coordinates(measurements, 'kind').map(String);
}

function count(measurements: readonly Measurement[], of: string, what: string, kind: string) {
  return median(valuesOf(measurements, of, what, { kind }));
}

/** What the others are compared with; a quick run has no unpatched kernel. */
function baseOf(measurements: readonly Measurement[]): string {
  return measurements.some(({ of }) => of === 'unpatched') ? 'unpatched' : 'outside';
}

function more(measurements: readonly Measurement[], of: string, what: string, kind: string) {
  return (
    count(measurements, of, what, kind) / count(measurements, baseOf(measurements), what, kind) - 1
  );
}

function tables(measurements: readonly Measurement[]): Table[] {
  return [
    ['medianInstructions', 'Instructions a page, of the median fault'],
    ['meanInstructions', 'The mean, with the filling of per-CPU lists and the timer'],
  ].map(([what = '', title = '']) => ({
    title,
    head: ['FAULT', '>UNPATCHED', ...PLACES.map((place) => `>${TITLES[place].toUpperCase()}`)],
    rows: kinds(measurements).map((kind) => [
      kind,
      String(count(measurements, 'unpatched', what, kind)),
      ...PLACES.map(
        (place) =>
          `${count(measurements, place, what, kind)} (${change(more(measurements, place, what, kind))})`,
      ),
    ]),
  }));
}

function findings(measurements: readonly Measurement[]): Finding[] {
  return kinds(measurements).flatMap((kind) =>
    PLACES.map((place) => {
      const value = more(measurements, place, 'medianInstructions', kind);
      return {
        what: `${kind} ${TITLES[place]}: more instructions than ${baseOf(measurements)}`,
        ours: change(value),
        bar: 'at most +1 %',
        met: value <= BAR,
      };
    }),
  );
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  return kinds(measurements).flatMap((kind) =>
    PLACES.map(
      (place): Guarded => ({
        key: `b9/${kind}/${place}`,
        value: count(measurements, place, 'medianInstructions', kind),
        better: 'lower',
        tolerance: 0.005,
      }),
    ),
  );
}

function plots(measurements: readonly Measurement[]): Plot[] {
  const of = ['unpatched', ...PLACES] as const;
  const bars = kinds(measurements).flatMap((kind) =>
    of.map((place) => ({
      group: kind,
      label: place === 'unpatched' ? 'unpatched kernel' : TITLES[place],
      value: count(measurements, place, 'medianInstructions', kind),
    })),
  );
  return [
    {
      name: 'b9',
      title: 'Instructions a page',
      spec: barPlot(bars, { title: 'instructions, median', log: false }),
    },
  ];
}

export const b9: Question = {
  name: 'b9',
  title: 'B9: what do zones cost who allocates memory?',
  about:
    'The same faults on the same kernel without the series, and with it: outside of zones, outside while a process lives in a zone, in a zone as large as the memory outside, and in a smaller one, whose per-CPU lists of free pages are shorter. The emulator counts executed instructions (one processor, a clock of one nanosecond an instruction, checked on a loop of known length), so the figures are the same on every machine.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
