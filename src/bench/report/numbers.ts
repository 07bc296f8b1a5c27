// SPDX-License-Identifier: Apache-2.0
// Numbers as the reports write them.

const NOTHING = '–';

/** Three digits that count. */
function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

const known = (value: number, text: string) => (Number.isFinite(value) ? text : NOTHING);

export const ms = (value: number): string =>
  value >= 10_000 ? seconds(value / 1000) : known(value, `${digits(value)} ms`);
export const ratio = (value: number): string => known(value, `${digits(value)}×`);
export const seconds = (value: number): string => known(value, `${digits(value)} s`);

/** `99.8 %`; never rounded up to 100. */
export function share(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  return `${(Math.floor(value * 1000) / 10).toFixed(1)} %`;
}

/** `+0.3 %`. */
export function change(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  return `${value < 0 ? '' : '+'}${(value * 100).toFixed(1)} %`;
}
