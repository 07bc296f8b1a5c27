// SPDX-License-Identifier: Apache-2.0
// The frame of a chart: grid lines, numbers and titles of both axes.
import { type Markup, markup } from './markup.js';
import type { Scale } from './scale.js';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export function axes(frame: Frame, x: Scale, y: Scale, yTitle: string): Markup {
  const { width, height, left, right, top, bottom } = frame;
  const floor = height - bottom;
  const middle = (top + floor) / 2;
  return markup`<g class="axes">
${y.ticks.map(
  (
    tick,
  ) => markup`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}"/>
<text x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${tick}</text>
`,
)}${x.ticks.map(
  (tick) => markup`<text x="${x(tick)}" y="${floor + 18}" text-anchor="middle">${tick}</text>
`,
)}<text class="title" x="${width - right}" y="${height - 4}" text-anchor="end">seconds since the demo began</text>
<text class="title" transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${yTitle}</text>
</g>`;
}
