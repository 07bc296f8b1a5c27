// SPDX-License-Identifier: Apache-2.0
// Quantiles, ratios, and whether a line is flat. Pure.
import { spreadOf } from './spread.js';

/** NaN for an empty sample. */
export function median(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : spreadOf(values).median;
}

/** NaN for an empty sample. */
export function least(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : Math.min(...values);
}

/** Linear between the neighbours; NaN for an empty sample. `part`: 0 to 1. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) return Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export interface Point {
  readonly x: number;
  readonly values: readonly number[];
}

export interface Flatness {
  /** How much the line rises from its first x to its last, as a share of its median. */
  readonly rise: number;
  /** Half the middle spread of the values around their point's median, as such a share. */
  readonly noise: number;
  /** It does not rise by more than noise. */
  readonly flat: boolean;
}

/** Below this a rise is nothing, however quiet the machine was. */
const RISE_MIN = 0.1;

/** The slope is Theil and Sen's: the median of the slopes between all pairs of points. */
export function flatness(points: readonly Point[]): Flatness {
  const lines = points.map(({ x, values }) => ({ x, y: median(values) })).sort((a, b) => a.x - b.x);
  const slopes: number[] = [];
  for (const [index, from] of lines.entries()) {
    for (const to of lines.slice(index + 1)) slopes.push((to.y - from.y) / (to.x - from.x));
  }
  const whole = median(lines.map(({ y }) => y));
  const width = (lines.at(-1)?.x ?? 0) - (lines[0]?.x ?? 0);
  const rise = slopes.length === 0 ? 0 : (median(slopes) * width) / whole;
  const offsets = points.flatMap(({ values }) => {
    const middle = median(values);
    return values.map((value) => Math.abs(value - middle));
  });
  const noise = median(offsets) / whole;
  return { rise, noise, flat: rise <= Math.max(RISE_MIN, noise) };
}
