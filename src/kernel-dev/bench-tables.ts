// SPDX-License-Identifier: Apache-2.0
// The kernel's figures for people, beside those of the first prototype and of
// Linux's memory hotplug, both measured in the same way: QEMU without KVM, two
// virtual CPUs on two shared cores.
import type { BenchResult, FaultCost } from './bench.js';

/** Of 128 MiB; faults in ns. */
export const PROTOTYPE: Readonly<Record<string, string>> = {
  plug: '0.86 ms',
  'plug-first': '14.6 ms',
  'plug-idle': '1.3 - 1.9 ms',
  unplug: '0.22 ms',
  'unplug-idle': '0.5 - 5.5 ms',
  'report-32-of-64-mib': '0.47 ms',
  'report-size': '8192 pages in 1 range',
  'fault unpatched': '7.5 µs',
  'fault outside': '7.6 µs',
  'fault zone': '7.5 µs',
};

export const STOCK_HOTPLUG: Readonly<Record<string, string>> = {
  plug: '13 - 34 ms',
  unplug: '2 - 390 ms',
};

const WHAT: Readonly<Record<string, string>> = {
  'plug-first': 'plug 128 MiB, host memory untouched before',
  plug: 'plug 128 MiB, back to back',
  'plug-idle': 'plug 128 MiB, after idling',
  unplug: 'unplug 128 MiB, back to back',
  'unplug-idle': 'unplug 128 MiB, after idling',
  'unplug-used': 'unplug 128 MiB, after a process used it',
  fork: 'fork outside',
  'fork-into-zone': 'fork into the zone',
  grow: 'grow by 32 MiB',
  shrink: 'shrink by 32 MiB',
  'report-32-of-64-mib': 'free-page scan, 32 of 64 MiB freed by a live child',
  'report-nothing': 'free-page scan, nothing to give',
  'unplug-all-others': 'unplug 4 MiB, all other zones in turn',
};

export function zoneTable({ zones, reports }: Pick<BenchResult, 'zones' | 'reports'>): {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
} {
  const counts = [...new Set(zones.map((line) => line.zones))].sort((a, b) => a - b);
  const names = [...new Set(zones.map(({ name }) => name))];
  const rows = names.map((name) => [
    WHAT[name] ?? name,
    ...counts.map((count) => {
      const line = zones.find((item) => item.name === name && item.zones === count);
      return line === undefined ? '' : ms(line.medianNs);
    }),
    PROTOTYPE[name] ?? '',
    STOCK_HOTPLUG[name] ?? '',
  ]);
  rows.push([
    '  pages in ranges',
    ...counts.map((count) => {
      const line = reports.find((item) => item.zones === count);
      return line === undefined ? '' : `${line.pages} in ${line.ranges}`;
    }),
    '8192 in 1',
    '',
  ]);
  return {
    head: [
      'MEDIAN, WITH SO MANY ZONES',
      ...counts.map((count) => `>${count}`),
      '>PROTOTYPE',
      '>HOTPLUG',
    ],
    rows,
  };
}

export const FAULT_HEAD = [
  'A PAGE',
  '>UNPATCHED',
  '>OUTSIDE',
  '>OUTSIDE, ZONE LIVE',
  '>IN ZONE',
  '>IN ONE OF 512 MIB',
];

export function faultRows(what: string, costs: readonly FaultCost[]): string[][] {
  return costs.map(({ kind, unpatched, outside, outsideWithZone, zone, largeZone }) => [
    `${kind}, ${what}`,
    String(unpatched),
    ...[outside, outsideWithZone, zone, largeZone].map(
      (value) => `${value} (${percent(value, unpatched)})`,
    ),
  ]);
}

/** `+0.3 %` of `base`. */
export function percent(value: number, base: number): string {
  const part = ((value - base) / base) * 100;
  return `${part < 0 ? '' : '+'}${part.toFixed(2)} %`;
}

function ms(ns: number): string {
  return ns < 100_000 ? `${(ns / 1000).toFixed(1)} µs` : `${(ns / 1_000_000).toFixed(2)} ms`;
}
