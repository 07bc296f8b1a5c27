// SPDX-License-Identifier: Apache-2.0
// Median and spread of a sample.

export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** All zero for an empty sample. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? 0;
  const high = sorted[Math.floor(middle)] ?? 0;
  return {
    count: sorted.length,
    min: sorted[0] ?? 0,
    median: (low + high) / 2,
    max: sorted.at(-1) ?? 0,
  };
}
