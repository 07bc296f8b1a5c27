// SPDX-License-Identifier: Apache-2.0
// What the node may hand out (docs/decisions/0011). Pure.
//
// Two sums, each with its bound: what is *committed*, boot memory and the present
// sizes of zones, never exceeds the budget; what is *promised*, boot memory and the
// limits of zones, never exceeds the budget times the overcommitment. Without
// overcommitment (1) every zone can grow to its limit whatever the others do.

export interface Commitment {
  readonly bootMemoryBytes: number;
  readonly committedBytes: number;
  readonly promisedBytes: number;
}

export interface Budget {
  readonly budgetBytes: number;
  /** Of promises to the budget: 1 and more. */
  readonly overcommit: number;
}

export interface Room {
  /** That zones can get now: the budget without what is committed. */
  readonly spareBytes: number;
  /** That containers can be promised: the limits of new zones. */
  readonly promisableBytes: number;
}

/** Never below zero. */
export function roomOf({ budgetBytes, overcommit }: Budget, vms: Iterable<Commitment>): Room {
  let spareBytes = budgetBytes;
  let promisableBytes = Math.floor(budgetBytes * overcommit);
  for (const vm of vms) {
    spareBytes -= vm.bootMemoryBytes + vm.committedBytes;
    promisableBytes -= vm.bootMemoryBytes + vm.promisedBytes;
  }
  return { spareBytes: Math.max(spareBytes, 0), promisableBytes: Math.max(promisableBytes, 0) };
}

/** The default: three quarters of what /proc/meminfo calls available, whole MiB. */
export function defaultBudgetBytes(meminfo: string): number | null {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo);
  if (match === null) return null;
  return Math.floor((Number(match[1]) * 0.75) / 1024) * 1024 * 1024;
}
