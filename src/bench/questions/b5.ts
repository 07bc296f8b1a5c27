// SPDX-License-Identifier: Apache-2.0
// B5: how long does a container take to its first answer?
import { type Measurement, type Measurements, type Mode, valuesOf } from '../measurement.js';
import { NodeSide, STARTS, type Start } from '../node-side.js';
import type { BenchContext, Finding, Guarded, Plot, Question, Table } from '../question.js';
import { change, ms, ratio, share } from '../report/numbers.js';
import { barPlot } from '../report/plots.js';
import { SOLO_KINDS, SoloFleet, type SoloKind } from '../solo/fleet.js';
import { FUNCTION_ID, REQUEST_PATH, soloMachine } from '../solo/machine.js';
import { median } from '../statistics.js';

const STARTS_MEASURED: Readonly<Record<Mode, number>> = { quick: 1, usual: 5, full: 20 };
/** Of a start by crun, what the zone's plug may take. */
const PLUG_BAR = 0.02;

const SOLO_TITLES: Readonly<Record<SoloKind, string>> = {
  fresh: 'a VM each, booted',
  early: 'a VM each, cloned before its runtime started',
  warm: 'a VM each, cloned when it had answered',
};
const START_TITLES: Readonly<Record<Start, string>> = {
  crun: 'czone, by crun',
  zygote: 'czone, by zygote',
};
/** Less than each, by zygote. The paper's line: 81.8 % less than a templated VM. */
const ZYGOTE_BARS: Readonly<Record<SoloKind, number>> = { fresh: 0.98, early: 0.97, warm: 0.6 };

export function startTitle(of: string): string {
  return { ...SOLO_TITLES, ...START_TITLES }[of as SoloKind | Start] ?? of;
}

async function measure(context: BenchContext, into: Measurements): Promise<void> {
  const node = await NodeSide.open({
    ...context,
    functionId: FUNCTION_ID,
    requestPath: REQUEST_PATH,
    nodeArgs: [],
  });
  const fleets: SoloFleet[] = [];
  try {
    // Boots the VM, attaches the image, and fills the page cache: not a start in a running VM.
    // Then the zygote: nor is its own start one of a second container.
    const first = await node.add('crun');
    await node.remove(first.view.containerId);
    await node.remove((await node.add('zygote')).view.containerId);
    const machine = await soloMachine(context);
    for (const kind of SOLO_KINDS) {
      fleets.push(await SoloFleet.open(machine, context.machine.addon, kind, 'quick'));
    }
    for (let n = 0; n < STARTS_MEASURED[context.mode]; n++) {
      for (const [index, kind] of SOLO_KINDS.entries()) {
        const fleet = fleets[index];
        into.add(kind, 'startMs', {}, (await fleet?.add()) ?? Number.NaN);
        await fleet?.removeLast();
      }
      await measureOurs(node, into);
      context.say(`b5: ${n + 1} starts of each kind`);
    }
    for (const [index, kind] of SOLO_KINDS.entries()) {
      into.add(kind, 'hungBoots', {}, fleets[index]?.hungBoots ?? Number.NaN);
    }
  } finally {
    for (const fleet of fleets) await fleet.close();
    await node.close();
  }
}

async function measureOurs(node: NodeSide, into: Measurements): Promise<void> {
  for (const start of STARTS) {
    const { ms: took, view } = await node.add(start);
    into.add(start, 'startMs', {}, took);
    for (const { name, durationUs } of view.stages) {
      into.add(start, 'stageMs', { stage: name }, durationUs / 1000);
    }
    await node.remove(view.containerId);
  }
}

const SOLOS_AND_STARTS = [...SOLO_KINDS, ...STARTS];

const middle = (measurements: readonly Measurement[], of: string) =>
  median(valuesOf(measurements, of, 'startMs'));

function stages(
  measurements: readonly Measurement[],
  start: Start,
): (readonly [stage: string, ms: number])[] {
  return measurements
    .filter(({ of, what }) => of === start && what === 'stageMs')
    .map(({ at, values }) => [String(at['stage']), median(values)]);
}

function tables(measurements: readonly Measurement[]): Table[] {
  return [
    {
      title: 'From the request to the first answer',
      head: [
        'HOW',
        '>MEDIAN',
        '>BOOTS THAT HUNG',
        ...STARTS.map((start) => `>× ${startTitle(start).toUpperCase()}`),
      ],
      rows: SOLOS_AND_STARTS.map((of) => [
        startTitle(of),
        ms(middle(measurements, of)),
        valuesOf(measurements, of, 'hungBoots').join(),
        ...STARTS.map((start) => ratio(middle(measurements, of) / middle(measurements, start))),
      ]),
    },
    ...STARTS.map((start) => ({
      title: `${startTitle(start)}, stage by stage`,
      head: ['STAGE', '>MEDIAN', '>OF ALL'],
      rows: stages(measurements, start).map(([stage, took]) => [
        stage,
        ms(took),
        share(took / middle(measurements, start)),
      ]),
    })),
  ];
}

function findings(measurements: readonly Measurement[]): Finding[] {
  const plug = stages(measurements, 'crun').find(([stage]) => stage === 'plug')?.[1] ?? Number.NaN;
  const part = plug / middle(measurements, 'crun');
  const beside = (start: Start, kind: SoloKind) =>
    middle(measurements, start) / middle(measurements, kind) - 1;
  return [
    {
      what: 'the zone’s plug, of a start by crun',
      ours: share(part),
      bar: `at most ${share(PLUG_BAR)}`,
      met: part <= PLUG_BAR,
    },
    ...SOLO_KINDS.map((kind) => ({
      what: `a start by zygote beside ${SOLO_TITLES[kind]}`,
      ours: change(beside('zygote', kind)),
      bar: `at most ${change(-ZYGOTE_BARS[kind])}`,
      met: beside('zygote', kind) <= -ZYGOTE_BARS[kind],
    })),
    ...SOLO_KINDS.map((kind) => ({
      what: `a start by crun beside ${SOLO_TITLES[kind]}`,
      ours: change(beside('crun', kind)),
      bar: 'told',
      met: null,
    })),
  ];
}

function guarded(measurements: readonly Measurement[]): Guarded[] {
  return STARTS.flatMap((start) =>
    SOLO_KINDS.map(
      (kind): Guarded => ({
        key: `b5/${start}/${kind}`,
        value: middle(measurements, start) / middle(measurements, kind),
        better: 'lower',
        tolerance: 0.3,
      }),
    ),
  );
}

function plots(measurements: readonly Measurement[]): Plot[] {
  const bars = SOLOS_AND_STARTS.map((of) => ({
    group: '',
    label: startTitle(of),
    value: middle(measurements, of),
  }));
  return [
    {
      name: 'b5',
      title: 'From the request to the first answer',
      spec: barPlot(bars, { title: 'ms, median', log: false }),
    },
  ];
}

export const b5: Question = {
  name: 'b5',
  title: 'B5: how long does a container take to its first answer?',
  about:
    'The same function (html: Python, a template) in a running VM of a node, and in a VM of its own: QEMU’s microvm with 128 MiB, one processor, an init that mounts the image and becomes the function, no runtime and no daemon. Such a VM is booted, or cloned from a template whose memory clones share copy-on-write: one that held just before its runtime started, or one whose function had answered twenty requests. From the request, or the launch, until the host has read an answer; one of each in turn. Under emulation each keeps as much translated code as makes it quickest. A boot that hangs is begun again, counts from there, and is told.',
  measure,
  tables,
  findings,
  guarded,
  plots,
};
