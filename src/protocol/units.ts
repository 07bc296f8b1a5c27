// SPDX-License-Identifier: Apache-2.0
// Sizes, and how people read and write them.

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Granularity of zones, bytes (a sub-section of the guest's memory map). */
export const BLOCK_BYTES = 2 * MIB;
/** Size of a page, bytes. */
export const PAGE_BYTES = 4 * KIB;

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: KIB,
  kib: KIB,
  m: MIB,
  mib: MIB,
  g: GIB,
  gib: GIB,
};

/** Reads `128MiB`, `128M`, `1.5g` or a number of bytes; null where it is none of these. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim().toLowerCase());
  const factor = match ? FACTORS[match[2] ?? ''] : undefined;
  if (!match || factor === undefined) return null;
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `1.5 MiB`; at most one decimal. */
export function formatSize(bytes: number | bigint): string {
  const value = Number(bytes);
  const steps: readonly (readonly [number, string])[] = [
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ];
  for (const [factor, name] of steps) {
    if (Math.abs(value) >= factor) return `${trim(value / factor)} ${name}`;
  }
  return `${value} B`;
}

function trim(value: number): string {
  const text = value.toFixed(1);
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}

/** The next multiple of `step` that is not below `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
