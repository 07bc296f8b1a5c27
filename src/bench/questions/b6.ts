// SPDX-License-Identifier: Apache-2.0
// B6: how much of the host do N containers of one function take?
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MIB } from '../../protocol/units.js';
import {
  coordinates,
  type Measurement,
  type Measurements,
  type Mode,
  valuesOf,
} from '../measurement.js';
import { cachedBytes, dropFromCache, NodeSide, STARTS, type Start } from '../node-side.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change } from '../report/numbers.js';
import { linePlot } from '../report/plots.js';
import { SOLO_KINDS, SoloFleet, type SoloKind } from '../solo/fleet.js';
import { FUNCTION_ID, REQUEST_PATH, soloMachine } from '../solo/machine.js';
import type { SoloMachine } from '../solo/solo-vm.js';
import { median } from '../statistics.js';
import { startTitle } from './b5.js';

const COUNTS: Readonly<Record<Mode, readonly number[]>> = {
  quick: [1, 2],
  usual: [1, 2, 4, 8],
  full: [1, 2, 4, 8, 16, 32, 64],
};
/** Ours by zygote, with what a node has when nobody says anything. */
const AS_IT_COMES = 'zygote-as-it-comes';
const SIDES = [...SOLO_KINDS, ...STARTS, AS_IT_COMES];
/** Of an emulated VM: what the peers' VMs keep when they are to be small (src/bench/solo). */
const SMALL_TRANSLATION = '32MiB';
/** Of every kind: only bytes are counted. */
const STARTS_AT_ONCE = 2;
/** Less than each, of 32 by zygote. The paper's line: 89.9 % less than templated VMs. */
const ZYGOTE_BARS: Readonly<Record<SoloKind, number>> = { fresh: 0.92, early: 0.9, warm: 0.78 };
const BAR_COUNT = 32;
const MARGINAL_BAR_MIB = 3;
/** Free memory is reported every two seconds, a part at a time. */
const SETTLE_MS = 4_000;
const SETTLED_BYTES = MIB;
const SETTLES_MAX = 15;

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const machine = await soloMachine(context);
  // First: a node flattens the image that the others mount, too.
  // In a quick run nobody waits for the slow starts of a small node.
  const emulated = machine.accelerator === 'tcg' && context.mode !== 'quick';
  const small = emulated ? ['--translation', SMALL_TRANSLATION] : [];
  for (const start of STARTS) {
    await measureOurs(context, into, machine, { of: start, start, nodeArgs: small });
  }
  if (emulated) {
    await measureOurs(context, into, machine, { of: AS_IT_COMES, start: 'zygote', nodeArgs: [] });
  }
  await measureSolos(context, into, machine);
}

async function measureOurs(
  context: BenchContext,
  into: Measurements,
  machine: SoloMachine,
  { of, start, nodeArgs }: { of: string; start: Start; nodeArgs: readonly string[] },
): Promise<void> {
  const rootfs = join(await context.ensure('rootfs'), 'rootfs.erofs');
  // Whoever built them, or ran before, has left them there.
  await dropFromCache([rootfs, machine.imagePath]);
  const node = await NodeSide.open({
    ...context,
    functionId: FUNCTION_ID,
    requestPath: REQUEST_PATH,
    nodeArgs: ['--debug-shell', ...nodeArgs],
  });
  try {
    await node.add(start);
    await upTo(context, {
      there: 1,
      add: async () => void (await node.add(start)),
      hostBytes: () => node.hostBytes(),
      look: async (count) => {
        const cached = await cachedBytes([rootfs, machine.imagePath]);
        const bytes = (await node.hostBytes()) + cached;
        into.add(of, 'hostMib', { count }, bytes / MIB);
        for (const [part, held] of await node.parts()) {
          into.add(of, 'partMib', { count, part }, held / MIB);
        }
        into.add(
          of,
          'partMib',
          { count, part: 'page cache of the images, on the host' },
          cached / MIB,
        );
        context.say(`b6: ${count} × ${titleOf(of)}: ${Math.round(bytes / MIB)} MiB`);
      },
    });
  } finally {
    await node.close();
  }
}

async function measureSolos(
  context: BenchContext,
  into: Measurements,
  machine: SoloMachine,
): Promise<void> {
  for (const kind of SOLO_KINDS) {
    await dropFromCache([machine.imagePath]);
    const fleet = await SoloFleet.open(machine, context.machine.addon, kind, 'small');
    try {
      await upTo(context, {
        there: 0,
        // Idle ones take processor time, too, which would slow the next boots.
        add: () => fleet.addPaused(),
        hostBytes: async () => fleet.hostBytes(),
        look: async (count) => {
          const bytes = fleet.hostBytes() + (await cachedBytes([machine.imagePath]));
          into.add(kind, 'hostMib', { count }, bytes / MIB);
          context.say(`b6: ${count} × ${startTitle(kind)}: ${Math.round(bytes / MIB)} MiB`);
        },
        wake: () => fleet.resume(),
        rest: () => fleet.pause(),
      });
    } finally {
      await fleet.close();
    }
  }
}

interface Side {
  /** Live already. */
  readonly there: number;
  add(): Promise<void>;
  hostBytes(): Promise<number>;
  look(count: number): Promise<void>;
  /** Before they settle, and when they were looked at. */
  wake?(): Promise<void>;
  rest?(): Promise<void>;
}

async function upTo({ mode, signal }: BenchContext, side: Side): Promise<void> {
  let live = side.there;
  for (const count of COUNTS[mode]) {
    while (live < count) {
      signal.throwIfAborted();
      const adding = Array.from({ length: Math.min(STARTS_AT_ONCE, count - live) }, side.add);
      live += adding.length;
      // All of them end before anybody closes the fleet.
      const failed = (await Promise.allSettled(adding)).find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    }
    await side.wake?.();
    await settled(side.hostBytes);
    await side.look(count);
    await side.rest?.();
  }
}

function titleOf(of: string): string {
  return of === AS_IT_COMES ? `${startTitle('zygote')}, as it comes` : startTitle(of);
}

/** Not all of them, when nothing was emulated. */
function sidesOf(measurements: readonly Measurement[]): string[] {
  return SIDES.filter((side) => measurements.some(({ of }) => of === side));
}

/** Until less comes back from one look to the next than is worth a wait. */
async function settled(hostBytes: () => Promise<number>): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  for (let looks = 0; looks < SETTLES_MAX; looks++) {
    await delay(SETTLE_MS);
    const now = await hostBytes();
    if (now > before - SETTLED_BYTES) return;
    before = now;
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
function crossover(
  measurements: readonly Measurement[],
  of: string,
  than: SoloKind,
): number | null {
  const counts = coordinates(measurements, 'count').map(Number);
  const found = counts.find(
    (count) => hostMib(measurements, of, count) < hostMib(measurements, than, count),
  );
  return found ?? null;
}

const write = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} MiB`;

function tables(measurements: readonly Measurement[]): Table[] {
  const counts = coordinates(measurements, 'count').map(Number);
  const parts = coordinates(measurements, 'part').map(String);
  const heads = counts.map((count) => `>${count}`);
  const partMib = (start: Start, count: number, part: string) =>
    median(valuesOf(measurements, start, 'partMib', { count, part }));
  return [
    {
      title: 'Bytes of the host: guests, VMMs, controller, page cache of the images',
      head: ['N CONTAINERS', ...heads, '>ONE MORE'],
      rows: sidesOf(measurements).map((of) => [
        titleOf(of),
        ...counts.map((count) => write(hostMib(measurements, of, count))),
        write(marginalMib(measurements, of)),
      ]),
    },
    ...STARTS.map((start) => ({
      title: `${startTitle(start)}: where the bytes are`,
      head: ['N CONTAINERS', ...heads],
      rows: parts.map((part) => [
        part,
        ...counts.map((count) => write(partMib(start, count, part))),
      ]),
    })),
  ];
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const counts = coordinates(measurements, 'count').map(Number);
  const most = counts.at(-1) ?? 1;
  const count = counts.includes(BAR_COUNT) ? BAR_COUNT : most;
  const marginal = marginalMib(measurements, 'zygote');
  const beside = (of: string, kind: SoloKind) => {
    const less = hostMib(measurements, of, count) / hostMib(measurements, kind, count) - 1;
    const cross = crossover(measurements, of, kind);
    const from = cross === null ? 'never less' : `less from N = ${cross} on`;
    return { less, ours: `${change(less)}, ${from}` };
  };
  return [
    {
      what: 'one more container by zygote',
      ours: write(marginal),
      bar: `at most ${MARGINAL_BAR_MIB} MiB`,
      met: marginal <= MARGINAL_BAR_MIB,
    },
    ...sidesOf(measurements)
      .filter((of) => !SOLO_KINDS.some((kind) => kind === of))
      .flatMap((of) =>
        SOLO_KINDS.map((kind): Finding => {
          const { less, ours } = beside(of, kind);
          const what = `${count} × ${titleOf(of)} beside ${titleOf(kind)}`;
          if (of !== 'zygote' || count !== BAR_COUNT) return { what, ours, bar: 'told', met: null };
          const bar = `at most ${change(-ZYGOTE_BARS[kind])}`;
          return { what, ours, bar, met: less <= -ZYGOTE_BARS[kind] };
        }),
      ),
  ];
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  const most = Math.max(...coordinates(measurements, 'count').map(Number));
  return STARTS.flatMap((start) =>
    SOLO_KINDS.map(
      (kind): Guarded => ({
        key: `b6/${start}/${kind}/${most}`,
        value: hostMib(measurements, start, most) / hostMib(measurements, kind, most),
        better: 'lower',
        tolerance: 0.1,
      }),
    ),
  );
}

function plots(measurements: readonly Measurement[]): Plot[] {
  return [
    {
      name: 'b6',
      title: 'Memory of the host for N containers of one function',
      spec: linePlot({
        measurements: measurements.filter(({ what }) => what === 'hostMib'),
        x: { name: 'count', title: 'containers', log: true },
        y: { title: 'MiB', log: true },
        label: ({ of }) => titleOf(of),
      }),
    },
  ];
}

export const b6: Question = {
  name: 'b6',
  title: 'B6: how much of the host do N containers of one function take?',
  about:
    'As B5. Counted on the host: allocated blocks of the guests’ memory (a template’s once, and of each clone what it has written), the proportional set size of each VMM without shared memory, what the controller has (it runs a copy of Node.js, which the bench does not share), and what the host’s page cache holds of the images. Of programs what is mapped counts, on all sides; what was read ahead of it does not. Under emulation every VM keeps at most 32 MiB of translated code, ours too (`czone node start --translation 32MiB`): so all take the least bytes, and starts are slower than in B5, where each has what makes it quickest. What the guest’s memory outside of zones is for is told by the guest itself, through the debug shell. “As it comes” is a node with its default of 128 MiB. While more are started the VMs of one container are paused, so that dozens of idle ones do not slow the next; all run when bytes are counted.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
