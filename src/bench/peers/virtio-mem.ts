// SPDX-License-Identifier: Apache-2.0
// virtio-mem: containers' memory is hot-plugged, all of it movable, and unplugged again
// by 2 MiB blocks, whose pages the guest migrates away.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';
import type { BenchVm } from '../vm/bench-vm.js';
import { VIRTIO_MEM_ID } from '../vm/shape.js';
import { Admitted } from './admitted.js';
import { lowBytesFor } from './low-memory.js';
import type { Peer, PeerVm, Returned } from './peer.js';
import { watchReturn } from './watch.js';

const PATH = `/machine/peripheral/${VIRTIO_MEM_ID}`;
const STALL_MS = 8_000;
const PLUGGED_MS = 60_000;
const PLUG_POLL_MS = 2;
const Bytes = z.number();

export const virtioMem: Peer = {
  name: 'virtio-mem',
  title: 'virtio-mem',
  kernels: ['stock', 'czone'],
  shape: (room) => ({
    lowBytes: lowBytesFor(room.bytes),
    highBytes: 0,
    zones: false,
    virtioMemBytes: room.bytes,
    balloon: 'none',
    swapBytes: room.swapBytes,
    pageSize: room.pageSize,
    clock: 'real',
    append: ['memhp_default_state=online_movable', 'memory_hotplug.memmap_on_memory=1'],
  }),
  open: (vm) => VirtioMemVm.open(vm),
};

class VirtioMemVm implements PeerVm {
  readonly #vm: BenchVm;
  readonly #admitted = new Admitted();
  #bytes: number;

  private constructor(vm: BenchVm) {
    this.#vm = vm;
    this.#bytes = vm.shape.virtioMemBytes;
  }

  static async open(vm: BenchVm): Promise<VirtioMemVm> {
    const opened = new VirtioMemVm(vm);
    await opened.#plugged();
    return opened;
  }

  async admit(id: number, bytes: number): Promise<number> {
    const wanted = this.#admitted.add(id, bytes);
    if (wanted > this.#bytes) {
      await this.#request(wanted);
      await this.#plugged();
    }
    return 0;
  }

  residentBytes(_id: number, touchedBytes: number): number {
    return touchedBytes;
  }

  async release(id: number, bytes: number, goalBytes: number): Promise<Returned> {
    const startMs = performance.now();
    this.#admitted.remove(id);
    await this.#request(this.#bytes - bytes);
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

  async #request(bytes: number): Promise<void> {
    this.#bytes = bytes;
    const property = 'requested-size';
    await this.#vm.qmp.command('qom-set', { path: PATH, property, value: bytes });
  }

  async #plugged(): Promise<void> {
    const deadline = performance.now() + PLUGGED_MS;
    while (!(await this.#reached())) {
      if (performance.now() > deadline) {
        throw new CzoneError('DEADLINE_EXCEEDED', 'virtio-mem did not plug its memory in time');
      }
      await delay(PLUG_POLL_MS);
    }
  }

  async #reached(): Promise<boolean> {
    const size = await this.#vm.qmp.command('qom-get', { path: PATH, property: 'size' });
    return Bytes.parse(size) === this.#bytes;
  }
}
