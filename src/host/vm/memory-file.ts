// SPDX-License-Identifier: Apache-2.0
// The memory of one VM: two files that the controller owns and counts, one of the boot
// memory and one of the zone region, which may have huge pages.
import type { NativeMemory } from '../device/native.js';
import { REGION_START } from './command-line.js';
import type { PageSize } from './page-size.js';

export class MemoryFile {
  /** Of the boot memory, of the region. */
  readonly fds: readonly [boot: number, region: number];
  readonly bootMemoryBytes: number;
  readonly regionBytes: number;
  readonly #native: NativeMemory;
  #closed = false;

  constructor(
    native: NativeMemory,
    options: { name: string; bootMemoryBytes: number; regionBytes: number; pageSize: PageSize },
  ) {
    this.#native = native;
    this.bootMemoryBytes = options.bootMemoryBytes;
    this.regionBytes = options.regionBytes;
    const boot = native.createMemory(options.name, options.bootMemoryBytes, false);
    try {
      const huge = options.pageSize === '2MiB';
      this.fds = [boot, native.createMemory(options.name, options.regionBytes, huge)];
    } catch (error) {
      native.closeMemory(boot);
      throw error;
    }
  }

  /** Allocated bytes of a range of the region (guest-physical); 0 once closed. */
  zoneBytes(start: number, sizeBytes: number): number {
    return this.#allocated(this.fds[1], start - REGION_START, sizeBytes);
  }

  bootBytes(): number {
    return this.#allocated(this.fds[0], 0, this.bootMemoryBytes);
  }

  totalBytes(): number {
    return this.bootBytes() + this.#allocated(this.fds[1], 0, this.regionBytes);
  }

  /** The pages go with the last descriptor: QEMU must be gone too. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.fds) this.#native.closeMemory(fd);
  }

  #allocated(fd: number, offset: number, sizeBytes: number): number {
    return this.#closed ? 0 : this.#native.allocatedBytes(fd, offset, sizeBytes);
  }
}
