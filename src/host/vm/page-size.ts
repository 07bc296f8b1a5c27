// SPDX-License-Identifier: Apache-2.0
// The pages of the host behind a VM's memory (docs/decisions/0009, 0012).

export const PAGE_SIZES = ['4KiB', '2MiB'] as const;
export type PageSize = (typeof PAGE_SIZES)[number];

/**
 * Bytes that the process of this smaps_rollup has mapped of shared memory by pages of
 * 2 MiB: what it really got.
 */
export function hugeMappedBytes(smapsRollup: string): number {
  return Number(/^ShmemPmdMapped:\s+(\d+) kB$/m.exec(smapsRollup)?.[1] ?? 0) * 1024;
}
