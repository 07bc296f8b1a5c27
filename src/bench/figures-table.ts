// SPDX-License-Identifier: Apache-2.0
// The figures for people.
import { formatSize } from '../protocol/units.js';
import type { Figures } from './figures.js';
import type { Spread } from './spread.js';

export type FigureRow = readonly [what: string, median: string, spread: string];

export function figureRows(figures: Figures): FigureRow[] {
  const size = formatSize(figures.zoneBytes);
  const rows: FigureRow[] = [
    row(`plug of ${size}, in the guest`, figures.plugGuestUs, microseconds),
    row('plug: the rest of the round trip', figures.roundTripUs, microseconds),
    row(`unplug of ${size}, in the guest`, figures.unplugGuestUs, microseconds),
    row('unplug: until the bytes are back', figures.returnUs, microseconds),
  ];
  for (const start of figures.starts) {
    rows.push(row(`start of ${start.functionId}`, start.totalUs, microseconds));
    for (const { name, spread } of start.stagesUs)
      rows.push(row(`  ${name}`, spread, microseconds));
    rows.push(row('  host bytes at its end', start.residentBytes, formatSize));
  }
  rows.push(['empty VM: guest memory on the host', formatSize(figures.emptyVm.guestBytes), '']);
  rows.push(['empty VM: the VMM itself (PSS)', formatSize(figures.emptyVm.vmmBytes), '']);
  return rows;
}

function row(what: string, spread: Spread, write: (value: number) => string): FigureRow {
  const { count, min, median, max } = spread;
  return [what, write(median), `${write(min)} to ${write(max)}, n=${count}`];
}

function microseconds(value: number): string {
  return value < 10_000 ? `${Math.round(value)} µs` : `${Math.round(value / 1000)} ms`;
}
