// SPDX-License-Identifier: Apache-2.0
// The memory of one VM: a file that the controller owns and counts.
import type { NativeMemory } from '../device/native.js';
import { REGION_START } from './command-line.js';

export class MemoryFile {
  readonly fd: number;
  readonly bootMemoryBytes: number;
  readonly regionBytes: number;
  readonly #native: NativeMemory;
  #closed = false;

  constructor(
    native: NativeMemory,
    options: { name: string; bootMemoryBytes: number; regionBytes: number },
  ) {
    this.#native = native;
    this.bootMemoryBytes = options.bootMemoryBytes;
    this.regionBytes = options.regionBytes;
    this.fd = native.createMemory(options.name, options.bootMemoryBytes + options.regionBytes);
  }

  /** Allocated bytes of a range of the region (guest-physical); 0 once closed. */
  zoneBytes(start: number, sizeBytes: number): number {
    return this.#allocated(this.bootMemoryBytes + (start - REGION_START), sizeBytes);
  }

  bootBytes(): number {
    return this.#allocated(0, this.bootMemoryBytes);
  }

  totalBytes(): number {
    return this.#allocated(0, this.bootMemoryBytes + this.regionBytes);
  }

  /** The pages go with the last descriptor: QEMU must be gone too. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.closeMemory(this.fd);
  }

  #allocated(offset: number, sizeBytes: number): number {
    return this.#closed ? 0 : this.#native.allocatedBytes(this.fd, offset, sizeBytes);
  }
}
