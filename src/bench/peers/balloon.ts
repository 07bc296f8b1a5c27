// SPDX-License-Identifier: Apache-2.0
// virtio-balloon: the guest hands over pages of 4 KiB until the balloon is as large as
// was asked for. And free page reporting: the guest names what is free by itself, two
// seconds after it was freed; by default in blocks of 2 MiB, at its best in single pages.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';
import type { BenchVm } from '../vm/bench-vm.js';
import type { VmShape } from '../vm/shape.js';
import { Admitted } from './admitted.js';
import { lowBytesFor } from './low-memory.js';
import type { Peer, PeerVm, Returned, Room } from './peer.js';
import { watchReturn } from './watch.js';

const STALL_MS = 8_000;
const DEFLATED_MS = 60_000;
const DEFLATE_POLL_MS = 2;
/** Reports come every two seconds; three rounds without a byte are the end. */
const REPORT_STALL_MS = 6_000;
/** For the reports of what the boot has freed. */
const SETTLE_MS = 4_000;
const Actual = z.object({ actual: z.number() });

function shape(room: Room, balloon: VmShape['balloon'], append: readonly string[]): VmShape {
  return {
    lowBytes: lowBytesFor(room.bytes),
    highBytes: room.bytes,
    zones: false,
    virtioMemBytes: 0,
    balloon,
    swapBytes: room.swapBytes,
    pageSize: room.pageSize,
    clock: 'real',
    append,
  };
}

export const balloon: Peer = {
  name: 'balloon',
  title: 'balloon',
  kernels: ['stock', 'czone'],
  shape: (room) => shape(room, 'balloon', []),
  open: async (vm) => new BalloonVm(vm),
};

function reporting(name: Peer['name'], title: string, append: readonly string[]): Peer {
  return {
    name,
    title,
    kernels: ['stock', 'czone'],
    shape: (room) => shape(room, 'reporting', append),
    open: async (vm) => {
      await delay(SETTLE_MS);
      return new ReportingVm(vm);
    },
  };
}

export const freePageReporting = reporting('reporting', 'free page reporting, 4 KiB', [
  'page_reporting.page_reporting_order=0',
]);
export const freePageReportingDefault = reporting(
  'reporting-default',
  'free page reporting, as it comes',
  [],
);

class BalloonVm implements PeerVm {
  readonly #vm: BenchVm;
  readonly #admitted = new Admitted();
  /** Without the balloon. */
  #bytes: number;

  constructor(vm: BenchVm) {
    this.#vm = vm;
    this.#bytes = vm.shape.lowBytes + vm.shape.highBytes;
  }

  async admit(id: number, bytes: number): Promise<number> {
    const wanted = this.#vm.shape.lowBytes + this.#admitted.add(id, bytes);
    if (wanted > this.#bytes) {
      this.#bytes = wanted;
      await this.#vm.qmp.command('balloon', { value: wanted });
      const deadline = performance.now() + DEFLATED_MS;
      while ((await this.#actual()) < wanted) {
        if (performance.now() > deadline) {
          throw new CzoneError('DEADLINE_EXCEEDED', 'the balloon did not give memory back in time');
        }
        await delay(DEFLATE_POLL_MS);
      }
    }
    return 0;
  }

  residentBytes(_id: number, touchedBytes: number): number {
    return touchedBytes;
  }

  async release(id: number, bytes: number, goalBytes: number): Promise<Returned> {
    const startMs = performance.now();
    this.#admitted.remove(id);
    this.#bytes -= bytes;
    await this.#vm.qmp.command('balloon', { value: this.#bytes });
    return watchReturn({
      startMs,
      allocatedBytes: () => this.#vm.allocatedBytes(),
      goalBytes,
      finished: () => this.#reached(),
      stallMs: STALL_MS,
    });
  }

  trim(id: number, freedBytes: number, goalBytes: number): Promise<Returned> {
    return this.release(id, freedBytes, goalBytes);
  }

  async roundTrip(): Promise<number> {
    return 0;
  }

  close(): void {}

  async #actual(): Promise<number> {
    return Actual.parse(await this.#vm.qmp.command('query-balloon')).actual;
  }

  async #reached(): Promise<boolean> {
    return (await this.#actual()) <= this.#bytes;
  }
}

class ReportingVm implements PeerVm {
  readonly #vm: BenchVm;

  constructor(vm: BenchVm) {
    this.#vm = vm;
  }

  async admit(): Promise<number> {
    return 0;
  }

  residentBytes(_id: number, touchedBytes: number): number {
    return touchedBytes;
  }

  /** Nobody asks: it comes, or it does not. Some of it may have come already. */
  async release(_id: number, bytes: number, goalBytes: number): Promise<Returned> {
    const earlyBytes = Math.max(goalBytes + bytes - this.#vm.allocatedBytes(), 0);
    const { ms, returnedBytes } = await watchReturn({
      startMs: performance.now(),
      allocatedBytes: () => this.#vm.allocatedBytes(),
      goalBytes,
      finished: null,
      stallMs: REPORT_STALL_MS,
    });
    return { ms, returnedBytes: returnedBytes + earlyBytes, earlyBytes };
  }

  trim(id: number, freedBytes: number, goalBytes: number): Promise<Returned> {
    return this.release(id, freedBytes, goalBytes);
  }

  async roundTrip(): Promise<number> {
    return 0;
  }

  close(): void {}
}
