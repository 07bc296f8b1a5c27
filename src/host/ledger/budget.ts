// SPDX-License-Identifier: Apache-2.0
// What the node may commit: the boot memory of its VMs and the zones in them. Pure.

export interface Commitment {
  readonly bootMemoryBytes: number;
  /** Ranges of any state but free. */
  readonly takenBytes: number;
}

/** Bytes of the budget that nobody has; never below zero. */
export function freeBudgetBytes(budgetBytes: number, committed: Iterable<Commitment>): number {
  let left = budgetBytes;
  for (const vm of committed) left -= vm.bootMemoryBytes + vm.takenBytes;
  return Math.max(left, 0);
}

/** The default: three quarters of what /proc/meminfo calls available, whole MiB. */
export function defaultBudgetBytes(meminfo: string): number | null {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo);
  if (match === null) return null;
  return Math.floor((Number(match[1]) * 0.75) / 1024) * 1024 * 1024;
}
