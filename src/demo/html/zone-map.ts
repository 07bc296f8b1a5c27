// SPDX-License-Identifier: Apache-2.0
// The zone region of a VM over time: each zone is a band from its plug to its unplug
// at its addresses; the filled part of the band is what the host has allocated for it.
import { axes, type Frame } from './axes.js';
import { type Markup, markup } from './markup.js';
import { linear, type Scale } from './scale.js';
import type { VmContainer, VmSeries } from './vm-series.js';

const LABEL_MIN_HEIGHT = 13;
const LABEL_MIN_WIDTH = 70;

function residentPath(
  series: VmSeries,
  container: VmContainer,
  at: number,
  x: Scale,
  y: Scale,
): string {
  const { seen, startMib } = container;
  if (!seen) return '';
  const inside = series.samples.filter(({ seconds }) => seconds >= seen.from && seconds <= seen.to);
  const upper = inside.map(
    ({ seconds, residentMib }) =>
      `${x(seconds).toFixed(1)},${y(startMib + (residentMib[at] ?? 0)).toFixed(1)}`,
  );
  const floor = y(startMib).toFixed(1);
  return `M${x(seen.from).toFixed(1)},${floor}L${upper.join('L')}L${x(seen.to).toFixed(1)},${floor}Z`;
}

function band(series: VmSeries, container: VmContainer, at: number, x: Scale, y: Scale): Markup {
  const { seen, startMib, sizeMib, slot, name } = container;
  if (!seen) return markup``;
  const top = y(startMib + sizeMib);
  const height = y(startMib) - top;
  const left = x(seen.from);
  const width = Math.max(x(seen.to) - left, 2);
  const label =
    height >= LABEL_MIN_HEIGHT && width >= LABEL_MIN_WIDTH
      ? markup`<text class="label" x="${left + 6}" y="${top + 13}">${name}</text>`
      : markup``;
  return markup`<g><title>${name}: ${sizeMib} MiB at ${startMib} MiB of the region, ${seen.from.toFixed(1)} s to ${seen.to.toFixed(1)} s</title>
<rect class="zone fill-${slot} stroke-${slot}" x="${left}" y="${top}" width="${width}" height="${height}"/>
<path class="resident fill-${slot}" d="${residentPath(series, container, at, x, y)}"/>
${label}</g>
`;
}

export function zoneMap(series: VmSeries, endSeconds: number): Markup {
  const usedMib = Math.max(
    16,
    ...series.containers.map(({ startMib, sizeMib }) => startMib + sizeMib),
  );
  const plotHeight = Math.min(Math.max(usedMib * 0.6, 200), 420);
  const base = { width: 960, left: 60, right: 12, top: 12, bottom: 40 };
  const frame: Frame = { ...base, height: base.top + plotHeight + base.bottom };
  const x = linear(endSeconds, frame.left, frame.width - frame.right, 10);
  const y = linear(usedMib, frame.height - frame.bottom, frame.top, 6);
  return markup`<svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="zones of ${series.vm} over time">
${axes(frame, x, y, 'MiB above the region’s start')}
${series.containers.map((container, at) => band(series, container, at, x, y))}</svg>`;
}
