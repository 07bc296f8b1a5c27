// SPDX-License-Identifier: Apache-2.0
// B6: how much of the host do N containers of one function take?

import { MIB } from '../../protocol/units.js';
import {
  coordinates,
  type Measurement,
  type Measurements,
  type Mode,
  valuesOf,
} from '../measurement.js';
import { cachedBytes, NodeSide } from '../node-side.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change } from '../report/numbers.js';
import { linePlot } from '../report/plots.js';
import { SOLO_KINDS, SoloFleet } from '../solo/fleet.js';
import { FUNCTION_ID, REQUEST_PATH, soloMachine } from '../solo/machine.js';
import { median } from '../statistics.js';
import { startTitle } from './b5.js';

const COUNTS: Readonly<Record<Mode, readonly number[]>> = {
  quick: [1, 2],
  usual: [1, 2, 4, 8],
  full: [1, 2, 4, 8, 16, 32, 64],
};
const OURS = 'crun';
const SIDES = [...SOLO_KINDS, OURS];
/** For reports of free memory, and for the daemon's own reclaim. */
const SETTLE_MS = 5_000;

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const counts = COUNTS[context.mode];
  const node = await NodeSide.open({
    ...context,
    functionId: FUNCTION_ID,
    requestPath: REQUEST_PATH,
  });
  let imagePath = '';
  let machine: Awaited<ReturnType<typeof soloMachine>>;
  try {
    const rootfs = `${await context.ensure('rootfs')}/rootfs.erofs`;
    const first = await node.add();
    machine = await soloMachine(context, first.view.imageDigest);
    imagePath = machine.imagePath;
    await upTo(
      counts,
      1,
      async () => void (await node.add()),
      async (count) => {
        const bytes = (await node.hostBytes()) + (await cachedBytes([rootfs, imagePath]));
        into.add(OURS, 'hostMib', { count }, bytes / MIB);
        context.say(`b6: ${count} containers by crun: ${Math.round(bytes / MIB)} MiB`);
      },
    );
  } finally {
    await node.close();
  }
  for (const kind of SOLO_KINDS) {
    const fleet = await SoloFleet.open(machine, context.machine.addon, kind);
    try {
      await upTo(
        counts,
        0,
        async () => void (await fleet.add()),
        async (count) => {
          const bytes = fleet.hostBytes() + (await cachedBytes([imagePath]));
          into.add(kind, 'hostMib', { count }, bytes / MIB);
          context.say(`b6: ${count} × ${startTitle(kind)}: ${Math.round(bytes / MIB)} MiB`);
        },
      );
    } finally {
      await fleet.close();
    }
  }
}

async function upTo(
  counts: readonly number[],
  there: number,
  add: () => Promise<void>,
  look: (count: number) => Promise<void>,
): Promise<void> {
  let live = there;
  for (const count of counts) {
    for (; live < count; live++) await add();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await look(count);
  }
}

const hostMib = (measurements: readonly Measurement[], of: string, count: number) =>
  median(valuesOf(measurements, of, 'hostMib', { count }));

/** What one more takes, between the second count and the last. */
function marginalMib(measurements: readonly Measurement[], of: string): number {
  const counts = coordinates(measurements, 'count').map(Number);
  const [from = 1, to = 1] = [counts[1], counts.at(-1)];
  const [least, most] = from === to ? [counts[0] ?? 1, to] : [from, to];
  return (hostMib(measurements, of, most) - hostMib(measurements, of, least)) / (most - least);
}

/** The smallest count at which ours is smaller; null: at none that was measured. */
function crossover(measurements: readonly Measurement[], than: string): number | null {
  const counts = coordinates(measurements, 'count').map(Number);
  const found = counts.find(
    (count) => hostMib(measurements, OURS, count) < hostMib(measurements, than, count),
  );
  return found ?? null;
}

const write = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} MiB`;

function tables(measurements: readonly Measurement[]): Table[] {
  const counts = coordinates(measurements, 'count').map(Number);
  return [
    {
      title: 'Bytes of the host: guests, VMMs, controller, page cache of the images',
      head: ['N CONTAINERS', ...counts.map((count) => `>${count}`), '>ONE MORE'],
      rows: SIDES.map((of) => [
        startTitle(of),
        ...counts.map((count) => write(hostMib(measurements, of, count))),
        write(marginalMib(measurements, of)),
      ]),
    },
  ];
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const counts = coordinates(measurements, 'count').map(Number);
  const most = counts.at(-1) ?? 1;
  return SOLO_KINDS.map((kind) => {
    const cross = crossover(measurements, kind);
    const less = hostMib(measurements, OURS, most) / hostMib(measurements, kind, most) - 1;
    return {
      what: `${most} containers by crun beside ${startTitle(kind)}`,
      ours: `${change(less)}, ${cross === null ? 'never less' : `less from N = ${cross} on`}`,
      bar: 'told',
      met: null,
    };
  });
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const most = Math.max(...coordinates(measurements, 'count').map(Number));
  return SOLO_KINDS.map((kind) => ({
    key: `b6/crun/${kind}/${most}`,
    value: hostMib(measurements, OURS, most) / hostMib(measurements, kind, most),
    better: 'lower',
    tolerance: 0.1,
  }));
}

function plots(measurements: readonly Measurement[]): Plot[] {
  return [
    {
      name: 'b6',
      title: 'Memory of the host for N containers of one function',
      spec: linePlot({
        measurements,
        x: { name: 'count', title: 'containers', log: true },
        y: { title: 'MiB', log: true },
        label: ({ of }) => startTitle(of),
      }),
    },
  ];
}

export const b6: Question = {
  name: 'b6',
  title: 'B6: how much of the host do N containers of one function take?',
  about:
    'As B5. Counted on the host: allocated blocks of the guests’ memory (a template’s once, and of each clone what it has written), the proportional set size of each VMM and of the controller without shared memory, and what the host’s page cache holds of the images.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
