// SPDX-License-Identifier: Apache-2.0
// B8: do zones get slower when there are many of them?
import { BLOCK_BYTES, MIB } from '../../protocol/units.js';
import {
  coordinates,
  type Measurement,
  type Measurements,
  type Mode,
  valuesOf,
} from '../measurement.js';
import { CzoneVm } from '../peers/czone.js';
import { lowBytesFor } from '../peers/low-memory.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change, ms, share } from '../report/numbers.js';
import { linePlot } from '../report/plots.js';
import { type Flatness, flatness, median } from '../statistics.js';
import { BenchVm } from '../vm/bench-vm.js';

interface Plan {
  readonly zones: readonly number[];
  readonly cycles: number;
}

const PLANS: Readonly<Record<Mode, Plan>> = {
  quick: { zones: [1, 64], cycles: 10 },
  usual: { zones: [1, 16, 128, 512], cycles: 30 },
  full: { zones: [1, 16, 128, 512], cycles: 200 },
};

/** Of the zone that comes and goes; what its process touches. */
const MEASURED_BYTES = 128 * MIB;
const TOUCHED_BYTES = 4 * MIB;
/** Of the ones beside it, each with a process that lives there. */
const OTHER_BYTES = 2 * BLOCK_BYTES;
const OTHER_TOUCHED_BYTES = MIB;
const MEASURED_ID = 1;
const WARM_CYCLES = 5;

const STEPS = ['plugMs', 'visitMs', 'unplugMs', 'plugGuestUs', 'unplugGuestUs'] as const;
type Step = (typeof STEPS)[number];
const TITLES: Readonly<Record<Step, string>> = {
  plugMs: 'plug 128 MiB, round trip',
  visitMs: 'fork into it, touch 4 MiB, exit',
  unplugMs: 'unplug, bytes back',
  plugGuestUs: 'plug, in the guest',
  unplugGuestUs: 'unplug, in the guest',
};

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const { zones, cycles } = PLANS[context.mode];
  const most = Math.max(...zones);
  const highBytes = Math.ceil((MEASURED_BYTES + most * OTHER_BYTES) / (128 * MIB)) * 128 * MIB;
  const vm = await BenchVm.start(context.machine, 'czone', {
    lowBytes: lowBytesFor(highBytes),
    highBytes,
    zones: true,
    virtioMemBytes: 0,
    balloon: 'none',
    swapBytes: 0,
    pageSize: '4KiB',
    clock: 'real',
    append: [],
  });
  let peer: CzoneVm | null = null;
  try {
    peer = await CzoneVm.open(vm);
    let live = 0;
    for (const wanted of zones) {
      // It keeps its place: a plug takes longer where a zone shares its first section with
      // others, of which the memmap is mapped by small pages then.
      await peer.plug(MEASURED_ID, MEASURED_BYTES);
      for (; live < wanted - 1; live++) {
        const id = MEASURED_ID + 1 + live;
        await peer.plug(id, OTHER_BYTES);
        await vm.guest.startHog(id, id, OTHER_TOUCHED_BYTES, false);
        await vm.guest.writeHog(id, 0, OTHER_TOUCHED_BYTES);
      }
      await peer.unplug(MEASURED_ID);
      for (let cycle = -WARM_CYCLES; cycle < cycles; cycle++) {
        const times = await oneLife(vm, peer);
        if (cycle < 0) continue;
        for (const step of STEPS) into.add('czone', step, { zones: wanted }, times[step]);
      }
      const took = valuesOf(into.list(), 'czone', 'unplugMs', { zones: wanted });
      context.say(`b8: with ${wanted} zones: unplug ${ms(median(took))}`);
    }
  } finally {
    peer?.close();
    await vm.end();
  }
}

async function oneLife(vm: BenchVm, peer: CzoneVm): Promise<Record<Step, number>> {
  const start = performance.now();
  const plug = await peer.plug(MEASURED_ID, MEASURED_BYTES);
  const plugged = performance.now();
  const visit = await vm.guest.visit(MEASURED_ID, TOUCHED_BYTES);
  const visited = performance.now();
  const unplug = await peer.unplug(MEASURED_ID);
  return {
    plugMs: plugged - start,
    visitMs: visit.ns / 1e6,
    unplugMs: performance.now() - visited,
    plugGuestUs: plug.guestNs / 1000,
    unplugGuestUs: unplug.guestNs / 1000,
  };
}

function flatnessOf(measurements: readonly Measurement[], step: Step): Flatness {
  return flatness(
    coordinates(measurements, 'zones').map((zones) => ({
      x: Number(zones),
      values: valuesOf(measurements, 'czone', step, { zones: Number(zones) }),
    })),
  );
}

const write = (step: Step, value: number) => (step.endsWith('Us') ? ms(value / 1000) : ms(value));

function tables(measurements: readonly Measurement[]): Table[] {
  const counts = coordinates(measurements, 'zones').map(Number);
  return [
    {
      title: 'With so many zones live',
      head: ['MEDIAN', ...counts.map((count) => `>${count}`), '>RISE'],
      rows: STEPS.map((step) => [
        TITLES[step],
        ...counts.map((zones) =>
          write(step, median(valuesOf(measurements, 'czone', step, { zones }))),
        ),
        change(flatnessOf(measurements, step).rise),
      ]),
    },
  ];
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const most = Math.max(...coordinates(measurements, 'zones').map(Number));
  return STEPS.map((step) => {
    const { rise, noise, flat } = flatnessOf(measurements, step);
    return {
      what: `rise from 1 to ${most} zones: ${TITLES[step]}`,
      ours: `${change(rise)}, noise ${share(noise)}`,
      bar: 'no rise beyond noise',
      met: flat,
    };
  });
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const counts = coordinates(measurements, 'zones').map(Number);
  const at = (step: Step, zones: number) =>
    median(valuesOf(measurements, 'czone', step, { zones }));
  const [first = 0, last = 0] = [counts[0], counts.at(-1)];
  return STEPS.map((step) => ({
    key: `b8/${step}/${last}-to-${first}`,
    value: at(step, last) / at(step, first),
    better: 'lower',
    tolerance: 0.3,
  }));
}

function plots(measurements: readonly Measurement[]): Plot[] {
  return [
    {
      name: 'b8',
      title: 'One zone comes and goes beside so many others',
      spec: linePlot({
        measurements: measurements.filter(({ what }) => /Ms$/.test(what)),
        x: { name: 'zones', title: 'zones live', log: true },
        y: { title: 'ms, median', log: true },
        label: ({ what }) => TITLES[what as Step],
      }),
    },
  ];
}

export const b8: Question = {
  name: 'b8',
  title: 'B8: do zones get slower when there are many of them?',
  about:
    'A zone of 128 MiB is plugged through the device, a process is forked into it, touches 4 MiB and ends, and the zone is unplugged, over and over, while 1 to 512 zones live in the VM, each other one with a process of its own.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
