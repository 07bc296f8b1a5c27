// SPDX-License-Identifier: Apache-2.0
// How a process that runs for long gives memory back, on the host and in the guest.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface HeapParts {
  /** A full collection of the JavaScript heap. */
  readonly collect: () => void;
  /** Gives free memory of the C heap back. */
  readonly trimHeap: () => void;
}

/** V8's collector, which idle code never calls: nothing is allocated, so nothing forces it. */
export function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
