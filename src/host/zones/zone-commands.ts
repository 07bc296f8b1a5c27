// SPDX-License-Identifier: Apache-2.0
// Commands of the device to single zones, and what they mean for the ledger. Commands
// to one zone are given one after another: each names the size that the one before it
// left.

import { CzoneError } from '../../protocol/errors.js';
import type { ZoneId } from '../../protocol/ids.js';
import { PAGE_BYTES } from '../../protocol/units.js';
import { SerialQueue } from '../containers/serial-queue.js';
import type { ZonePin } from '../controller-api.js';
import type { DeviceReply, GuestZone } from '../device/native.js';
import type { ZoneDevice } from '../device/zone-device.js';
import type { Ledger, LedgerZone } from '../ledger/ledger.js';
import { readPins } from './pins.js';

const NS_PER_US = 1_000;

/** linux/virtio_czone.h */
export const STATE_ZOMBIE = 4;

/** What a zone had on the host as its last processes began to end. */
export interface Held {
  readonly residentBytes: number;
  /** Of these, what was back before the unplug was asked for. */
  readonly earlyBytes: number;
}

/** What one try to unplug came to. `held`: null where nobody counted. */
export type Attempt =
  | { readonly kind: 'returned'; readonly guestUs: number; readonly held: Held | null }
  /** A zombie now: nobody can use it, and what was free is back. */
  | {
      readonly kind: 'pinned';
      readonly inUseBytes: number;
      readonly pins: readonly ZonePin[];
      readonly held: Held | null;
    }
  | { readonly kind: 'again'; readonly why: string };

export interface ZoneCommandsOptions {
  readonly ledger: Ledger;
  /** null while the device is away. */
  readonly device: () => ZoneDevice | null;
}

export class ZoneCommands {
  readonly #options: ZoneCommandsOptions;
  readonly #queues = new Map<ZoneId, SerialQueue>();

  constructor(options: ZoneCommandsOptions) {
    this.#options = options;
  }

  /** UNAVAILABLE while it is away. */
  device(): ZoneDevice {
    const device = this.#options.device();
    if (device === null || !device.ready) {
      throw new CzoneError('UNAVAILABLE', 'the czone device of the VM is away');
    }
    return device;
  }

  /** Runs a task when the commands before it are answered; with the zone as it is then. */
  inOrder<T>(zoneId: ZoneId, task: (zone: LedgerZone) => Promise<T>): Promise<T> {
    let queue = this.#queues.get(zoneId);
    if (queue === undefined) {
      queue = new SerialQueue();
      this.#queues.set(zoneId, queue);
    }
    return queue.run(() => {
      const zone = this.#options.ledger.zone(zoneId);
      if (zone === null) throw new CzoneError('UNAVAILABLE', `zone ${zoneId} is gone`);
      return task(zone);
    });
  }

  /** The zone is gone: nothing waits for it any more. */
  forget(zoneId: ZoneId): void {
    this.#queues.delete(zoneId);
  }

  /** Within inOrder. The ledger follows what the guest says. */
  async resize(zone: LedgerZone, sizeBytes: number): Promise<DeviceReply> {
    const { ledger } = this.#options;
    const { zoneId } = zone;
    const reply = await this.device().resize(zone, sizeBytes);
    if (ledger.zone(zoneId) === null) return reply;
    if (reply.result === 'OK') ledger.resize(zoneId, reply.sizeBytes);
    else if (isClear(reply)) ledger.resize(zoneId, zone.sizeBytes);
    // Else it may have grown: it stays committed to as much until LIST tells.
    else ledger.commit(zoneId, Math.max(sizeBytes, zone.sizeBytes));
    return reply;
  }

  tryUnplug(zoneId: ZoneId): Promise<Attempt> {
    return this.inOrder(zoneId, async (zone) => {
      const device = this.#options.device();
      if (device === null || !device.ready) return again('the device is away');
      const reply = await device.unplug(zone);
      switch (reply.result) {
        case 'OK':
          return {
            kind: 'returned',
            guestUs: Math.round(reply.guestNs / NS_PER_US),
            held: heldBy(reply),
          };
        case 'BUSY':
          return this.#afterBusy(device, zone, reply);
        default:
          return this.#afterDoubt(device, zone, reply);
      }
    });
  }

  /** Takes over what LIST says of a zone that is the ledger's. */
  adopt(zone: LedgerZone, guest: GuestZone): void {
    if (guest.sizeBytes === zone.sizeBytes && zone.committedBytes === zone.sizeBytes) return;
    this.#options.ledger.resize(zone.zoneId, guest.sizeBytes);
  }

  /** Names of pins mean a zombie; without any, LIST tells who holds the zone. */
  async #afterBusy(device: ZoneDevice, zone: LedgerZone, reply: DeviceReply): Promise<Attempt> {
    const why = `${reply.pagesInUse} pages are in use`;
    if (!device.features.zombie) return again(why);
    if (reply.pins.length === 0) {
      const list = await device.list();
      const guest = list.zones.find((other) => isSame(zone, other));
      if (list.result !== 'OK' || guest?.state !== STATE_ZOMBIE) return again(why);
    }
    // What a guest says is no more than its zone.
    const inUseBytes = Math.min(reply.pagesInUse * PAGE_BYTES, zone.sizeBytes);
    return { kind: 'pinned', inUseBytes, pins: readPins(reply.pins), held: heldBy(reply) };
  }

  /** An answer was lost, or the guest knows no such zone: LIST tells whether it holds it. */
  async #afterDoubt(device: ZoneDevice, zone: LedgerZone, reply: DeviceReply): Promise<Attempt> {
    const list = await device.list();
    if (list.result !== 'OK') return again(`${reply.result}, then ${list.result}`);
    const guest = list.zones.find((other) => isSame(zone, other));
    if (guest !== undefined && this.#options.ledger.zone(zone.zoneId) !== null) {
      this.adopt(zone, guest);
    }
    const held = list.zones.some(
      (other) =>
        other.zoneId === zone.zoneId ||
        (other.addr < zone.start + zone.limitBytes && zone.start < other.addr + other.limitBytes),
    );
    if (held) return again(reply.result);
    device.discard(zone);
    return { kind: 'returned', guestUs: 0, held: null };
  }
}

function heldBy({ residentBeforeBytes, earlierBytes }: DeviceReply): Held | null {
  if (residentBeforeBytes < 0) return null;
  return { residentBytes: residentBeforeBytes + earlierBytes, earlyBytes: earlierBytes };
}

export function isSame(zone: LedgerZone, guest: GuestZone): boolean {
  return (
    zone.zoneId === guest.zoneId &&
    zone.start === guest.addr &&
    zone.limitBytes === guest.limitBytes
  );
}

/** The answer says that nothing has changed. */
function isClear({ result }: DeviceReply): boolean {
  return (
    result === 'BUSY' || result === 'NOMEM' || result === 'INVALID' || result === 'UNSUPPORTED'
  );
}

function again(why: string): Attempt {
  return { kind: 'again', why };
}
