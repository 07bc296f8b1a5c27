// SPDX-License-Identifier: Apache-2.0
// What the charts of one VM draw, taken out of a report. Pure.
import { MIB } from '../../protocol/units.js';
import type { DemoEvent } from '../recording.js';
import type { ContainerReport, DemoReport } from '../report.js';

export interface VmSample {
  readonly seconds: number;
  readonly bootMib: number;
  /** By container, in the order of `containers`. */
  readonly residentMib: readonly number[];
}

export interface VmContainer {
  readonly name: string;
  /** 1 to 8: its colour within the VM. */
  readonly slot: number;
  /** Its zone, MiB above the region's start. */
  readonly startMib: number;
  readonly sizeMib: number;
  /** When the samples first and last saw the zone; null: never. */
  readonly seen: { readonly from: number; readonly to: number } | null;
}

export interface VmSeries {
  readonly vm: string;
  readonly tenant: string;
  readonly containers: readonly VmContainer[];
  readonly samples: readonly VmSample[];
  readonly events: readonly (DemoEvent & { readonly seconds: number; readonly slot: number })[];
}

const COLOURS = 8;
const MARKED = new Set([
  'allocated',
  'freed',
  'reclaimed',
  'paused',
  'resumed',
  'stopped',
  'killed',
  'overrun',
]);

function seriesOf(report: DemoReport, vm: string, reports: readonly ContainerReport[]): VmSeries {
  const ids = new Map(reports.map(({ containerId }, at) => [containerId, at]));
  const seen: ({ from: number; to: number } | null)[] = reports.map(() => null);
  const samples: VmSample[] = [];
  let regionStart = 0;
  for (const { atMs, sandboxes } of report.samples) {
    const sandbox = sandboxes.find(({ sandboxId }) => sandboxId === vm);
    if (!sandbox) continue;
    regionStart = sandbox.regionStart;
    const seconds = atMs / 1000;
    const residentMib = reports.map(() => 0);
    for (const zone of sandbox.zones) {
      const at = zone.containerId === null ? undefined : ids.get(zone.containerId);
      // A reserved range is no zone yet: its VM may still be booting.
      if (at === undefined || zone.state === 'reserved') continue;
      residentMib[at] = zone.residentBytes / MIB;
      seen[at] = { from: seen[at]?.from ?? seconds, to: seconds };
    }
    samples.push({ seconds, bootMib: sandbox.bootResidentBytes / MIB, residentMib });
  }
  const containers = reports.map((container, at) => ({
    name: container.name,
    slot: (at % COLOURS) + 1,
    startMib: (container.range.start - regionStart) / MIB,
    sizeMib: container.range.sizeBytes / MIB,
    seen: seen[at] ?? null,
  }));
  const slots = new Map(containers.map(({ name, slot }) => [name, slot]));
  const events = report.events.flatMap((event) => {
    const slot = event.container === null ? undefined : slots.get(event.container);
    if (slot === undefined || !MARKED.has(event.kind)) return [];
    return [{ ...event, seconds: event.atMs / 1000, slot }];
  });
  return { vm, tenant: reports[0]?.trustDomain ?? '', containers, samples, events };
}

/** One for each VM, in the order of the containers. */
export function vmSeries(report: DemoReport): VmSeries[] {
  const vms = [...new Set(report.containers.map(({ vm }) => vm))];
  return vms.map((vm) =>
    seriesOf(
      report,
      vm,
      report.containers.filter((container) => container.vm === vm),
    ),
  );
}
