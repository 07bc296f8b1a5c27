// SPDX-License-Identifier: Apache-2.0
// What is compared: a way to give a container its memory and to get it back.
import type { PageSize } from '../../host/vm/page-size.js';
import type { Mode } from '../measurement.js';
import type { BenchVm, Kernel } from '../vm/bench-vm.js';
import type { VmShape } from '../vm/shape.js';

export type PeerName =
  | 'czone'
  | 'virtio-mem'
  | 'balloon'
  | 'reporting'
  | 'reporting-default'
  | 'none';

export interface Room {
  /** What containers can have together. */
  readonly bytes: number;
  /** How much each of them gets: zones need room for their memory maps. */
  readonly containers: readonly number[];
  readonly pageSize: PageSize;
  readonly swapBytes: number;
}

export interface Peer {
  readonly name: PeerName;
  readonly title: string;
  /** The kernels that it is measured on, its best first. */
  readonly kernels: readonly [Kernel, ...Kernel[]];
  shape(room: Room): VmShape;
  /** After the boot. */
  open(vm: BenchVm): Promise<PeerVm>;
}

/** A quick run has the patched kernel alone. */
export function kernelsOf(peer: Peer, mode: Mode): readonly [Kernel, ...Kernel[]] {
  return mode === 'quick' ? ['czone'] : peer.kernels;
}

export interface Returned {
  /** From the request until the host had the bytes, or until no more came. */
  readonly ms: number;
  /**
   * Of those that were the container's on the host; where the peer tells what came back
   * before the request, with that.
   */
  readonly returnedBytes: number;
  /** Of those, what was back before the request, where the peer tells. */
  readonly earlyBytes?: number;
  /** Of that time the guest's, where it tells. */
  readonly guestMs?: number;
}

export interface PeerVm {
  /** Makes room for a container. Answers with its zone; 0: it has none. */
  admit(id: number, bytes: number): Promise<number>;
  /** Bytes on the host that are the container's, its memory map included. */
  residentBytes(id: number, touchedBytes: number): number;
  /**
   * Gets back what a container had whose processes have ended. `goalBytes`: what the VM
   * has allocated when all of it is back.
   */
  release(id: number, bytes: number, goalBytes: number): Promise<Returned>;
  /** Gets back what a live container has freed of its memory. */
  trim(id: number, freedBytes: number, goalBytes: number): Promise<Returned>;
  /** Round trip of a request that does nothing, ms; 0: there is no such request. */
  roundTrip(): Promise<number>;
  close(): void;
}
