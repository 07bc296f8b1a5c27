// SPDX-License-Identifier: Apache-2.0
// From values to pixels, and where the ticks of an axis stand. Pure.

export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
  readonly max: number;
}

/** Steps of 1, 2 or 5 times a power of ten; about `count` of them up to `max`. */
export function niceStep(max: number, count: number): number {
  const rough = Math.max(max, Number.EPSILON) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough) ?? 10;
  return factor * power;
}

/** Linear from 0..max to from..to. */
export function linear(max: number, from: number, to: number, tickCount: number): Scale {
  const step = niceStep(max, tickCount);
  const ticks: number[] = [];
  for (let n = 0; n * step <= max * 1.0001; n++) ticks.push(n * step);
  const scale = (value: number) => from + ((to - from) * value) / (max || 1);
  return Object.assign(scale, { ticks, max });
}
