// SPDX-License-Identifier: Apache-2.0
// Ours: a zone a container, by the product's device, back-end and kernel.
import { join } from 'node:path';
import type { DeviceReply } from '../../host/device/native.js';
import type { ZoneDevice, ZoneRange } from '../../host/device/zone-device.js';
import { zoneBytesFor } from '../../host/ledger/zone-size.js';
import { REGION_START } from '../../host/vm/command-line.js';
import { DeviceSlot } from '../../host/vm/device-slot.js';
import { CzoneError } from '../../protocol/errors.js';
import { MIB, roundUp } from '../../protocol/units.js';
import type { BenchVm } from '../vm/bench-vm.js';
import { lowBytesFor } from './low-memory.js';
import type { Peer, PeerVm, Returned } from './peer.js';

/** A process needs a little beside what it was asked to touch: stack, copied data. */
const PROCESS_BYTES = 2 * MIB;
const MAX_ZONES = 1024;
/** Sections of the guest's memory map. */
const REGION_STEP = 128 * MIB;

export const czone: Peer = {
  name: 'czone',
  title: 'czone',
  kernels: ['czone'],
  shape: (room) => ({
    lowBytes: lowBytesFor(room.bytes),
    highBytes: roundUp(
      room.containers.reduce((sum, bytes) => sum + zoneBytes(bytes), 0),
      REGION_STEP,
    ),
    zones: true,
    virtioMemBytes: 0,
    balloon: 'none',
    swapBytes: room.swapBytes,
    pageSize: room.pageSize,
    clock: 'real',
    append: [],
  }),
  open: (vm) => CzoneVm.open(vm),
};

function zoneBytes(containerBytes: number): number {
  return zoneBytesFor(containerBytes + PROCESS_BYTES);
}

export class CzoneVm implements PeerVm {
  readonly #vm: BenchVm;
  readonly #slot: DeviceSlot;
  readonly #device: ZoneDevice;
  readonly #zones = new Map<number, ZoneRange>();
  /** What containers had when they were last asked; their processes' end may begin then. */
  readonly #held = new Map<number, number>();
  /** Free ranges of the region, by start; zones that ended leave theirs. */
  readonly #free: { start: number; bytes: number }[];

  private constructor(vm: BenchVm, slot: DeviceSlot, device: ZoneDevice) {
    this.#vm = vm;
    this.#slot = slot;
    this.#device = device;
    this.#free = [{ start: REGION_START, bytes: vm.shape.highBytes }];
  }

  static async open(vm: BenchVm): Promise<CzoneVm> {
    const slot = new DeviceSlot({
      addon: vm.addon,
      qmp: vm.qmp,
      regionBytes: vm.shape.highBytes,
      maxZones: MAX_ZONES,
      socketPath: (generation) => join(vm.directory, `czone-${generation}.sock`),
      onLost: () => {},
      // The request that it belongs to fails.
      onViolation: (detail) => process.emitWarning(`czone device: ${detail}`),
      onWant: () => {},
      onReleased: () => {},
    });
    return new CzoneVm(vm, slot, await slot.attach());
  }

  async admit(id: number, bytes: number): Promise<number> {
    await this.plug(id, zoneBytes(bytes));
    return id;
  }

  /** A zone of just this size. */
  async plug(id: number, sizeBytes: number): Promise<DeviceReply> {
    // The smallest that will do: who comes and goes takes the same one again.
    const [range] = this.#free
      .filter((free) => free.bytes >= sizeBytes)
      .sort((a, b) => a.bytes - b.bytes);
    if (range === undefined) {
      throw new CzoneError('RESOURCE_EXHAUSTED', `no room for ${sizeBytes} bytes in the region`);
    }
    const zone = { zoneId: id, start: range.start, sizeBytes, limitBytes: sizeBytes };
    const reply = expectOk('plug', await this.#device.plug(zone));
    range.start += sizeBytes;
    range.bytes -= sizeBytes;
    this.#zones.set(id, zone);
    return reply;
  }

  async unplug(id: number): Promise<DeviceReply> {
    const zone = this.#zone(id);
    const reply = expectOk('unplug', await this.#device.unplug(zone));
    this.#zones.delete(id);
    this.#free.push({ start: zone.start, bytes: zone.sizeBytes });
    return reply;
  }

  residentBytes(id: number): number {
    const bytes = this.#resident(this.#zone(id));
    this.#held.set(id, bytes);
    return bytes;
  }

  async release(id: number): Promise<Returned> {
    const zone = this.#zone(id);
    const startMs = performance.now();
    const reply = await this.unplug(id);
    const ms = performance.now() - startMs;
    const heldBytes = this.#held.get(id) ?? reply.residentBeforeBytes + reply.earlierBytes;
    this.#held.delete(id);
    // Counted again, not believed.
    const returnedBytes = heldBytes - this.#resident(zone);
    return { ms, returnedBytes, guestMs: reply.guestNs / 1e6, earlyBytes: reply.earlierBytes };
  }

  async trim(id: number): Promise<Returned> {
    const startMs = performance.now();
    const reply = expectOk('report', await this.#device.report(this.#zone(id)));
    return { ms: performance.now() - startMs, returnedBytes: reply.returnedBytes };
  }

  async roundTrip(): Promise<number> {
    const startMs = performance.now();
    expectOk('list', await this.#device.list());
    return performance.now() - startMs;
  }

  close(): void {
    this.#slot.close();
  }

  #resident({ start, sizeBytes }: ZoneRange): number {
    return this.#vm.allocatedHigh(start - REGION_START, sizeBytes);
  }

  #zone(id: number): ZoneRange {
    const zone = this.#zones.get(id);
    if (zone === undefined) throw new CzoneError('INTERNAL', `the bench has no zone ${id}`);
    return zone;
  }
}

function expectOk(what: string, reply: DeviceReply): DeviceReply {
  if (reply.result !== 'OK') {
    const inUse = reply.pagesInUse > 0 ? `, ${reply.pagesInUse} pages in use` : '';
    throw new CzoneError('INTERNAL', `the guest answered ${what} with ${reply.result}${inUse}`);
  }
  return reply;
}
