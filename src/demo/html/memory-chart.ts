// SPDX-License-Identifier: Apache-2.0
// Bytes that a VM holds on the host over time, stacked: its boot memory below, then
// each container's zone. Marks above say what happened.
import { axes, type Frame } from './axes.js';
import { type Markup, markup } from './markup.js';
import { linear, type Scale } from './scale.js';
import type { VmSeries } from './vm-series.js';

const MARK_RADIUS = 8;
const MARK_ROW = 19;

export interface Mark {
  readonly number: number;
  readonly x: number;
  readonly row: number;
}

/** Puts each mark into the lowest row in which it covers no other. */
export function markRows(xs: readonly number[]): Mark[] {
  const lastOfRow: number[] = [];
  return xs.map((x, at) => {
    let row = lastOfRow.findIndex((last) => x - last >= MARK_RADIUS * 2 + 2);
    if (row < 0) row = lastOfRow.length;
    lastOfRow[row] = x;
    return { number: at + 1, x, row };
  });
}

/** Upper edges of the stack: boot memory first. */
function edges({ samples, containers }: VmSeries): number[][] {
  const stack = [samples.map(({ bootMib }) => bootMib)];
  for (let at = 0; at < containers.length; at++) {
    const below = stack[at] ?? [];
    stack.push(samples.map(({ residentMib }, n) => (below[n] ?? 0) + (residentMib[at] ?? 0)));
  }
  return stack;
}

function areaPath(
  seconds: readonly number[],
  lower: readonly number[],
  upper: readonly number[],
  x: Scale,
  y: Scale,
): string {
  const point = (values: readonly number[]) => (second: number, at: number) =>
    `${x(second).toFixed(1)},${y(values[at] ?? 0).toFixed(1)}`;
  const there = seconds.map(point(upper));
  const back = seconds.map(point(lower)).reverse();
  return `M${[...there, ...back].join('L')}Z`;
}

function marks(series: VmSeries, rows: readonly Mark[], frame: Frame): Markup[] {
  return series.events.map((event, at) => {
    const mark = rows[at] ?? { number: at + 1, x: 0, row: 0 };
    const y = frame.top - 12 - mark.row * MARK_ROW;
    return markup`<g class="mark"><title>${event.seconds.toFixed(1)} s: ${event.container ?? ''} ${event.text}</title>
<line x1="${mark.x}" x2="${mark.x}" y1="${y}" y2="${frame.height - frame.bottom}"/>
<circle class="stroke-${event.slot}" cx="${mark.x}" cy="${y}" r="${MARK_RADIUS}"/>
<text x="${mark.x}" y="${y + 3.5}" text-anchor="middle">${mark.number}</text></g>
`;
  });
}

/** `endSeconds`, `topMib`: common to all VMs, so that their charts compare. */
export function memoryChart(series: VmSeries, endSeconds: number, topMib: number): Markup {
  const base = { width: 960, left: 60, right: 12, bottom: 40 };
  const x = linear(endSeconds, base.left, base.width - base.right, 10);
  const rows = markRows(series.events.map(({ seconds }) => x(seconds)));
  const rowCount = rows.reduce((most, { row }) => Math.max(most, row + 1), 0);
  const top = 14 + rowCount * MARK_ROW;
  const frame: Frame = { ...base, top, height: top + 240 + base.bottom };
  const y = linear(topMib, frame.height - frame.bottom, frame.top, 5);
  const seconds = series.samples.map((sample) => sample.seconds);
  const stack = edges(series);
  const zero = seconds.map(() => 0);
  const areas = stack.map((upper, at) => {
    const name = at === 0 ? 'boot memory of the VM' : (series.containers[at - 1]?.name ?? '');
    const peak = Math.max(0, ...upper.map((value, n) => value - (stack[at - 1]?.[n] ?? 0)));
    const path = areaPath(seconds, stack[at - 1] ?? zero, upper, x, y);
    const colour = at === 0 ? 'fill-boot' : `fill-${series.containers[at - 1]?.slot ?? 1}`;
    return markup`<path class="area ${colour}" d="${path}"><title>${name}: at most ${peak.toFixed(1)} MiB</title></path>
`;
  });
  return markup`<svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="MiB of ${series.vm} on the host over time">
${axes(frame, x, y, 'MiB on the host')}
${areas}${marks(series, rows, frame)}</svg>`;
}
