// SPDX-License-Identifier: Apache-2.0
// Memory of a VM beside what containers get: the same for every peer.
import { MIB, roundUp } from '../../protocol/units.js';

const BASE_BYTES = 320 * MIB;

/** With room for page tables, and for the memory map of what is added to the VM. */
export function lowBytesFor(containerBytes: number): number {
  return roundUp(BASE_BYTES + containerBytes / 32, 128 * MIB);
}
