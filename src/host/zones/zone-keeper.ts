// SPDX-License-Identifier: Apache-2.0
// Plugs, returns and reclaims the zones of one VM: ledger, device and memory file in
// step. It alone moves the ledger's states (zone-states.ts).
//
// The ledger is the truth about ranges, the guest about pages (LIST), the memory file
// about bytes. After any doubt the three are compared here.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../../protocol/errors.js';
import type { ContainerId, ZoneId } from '../../protocol/ids.js';
import type { MemoryReturn, ReclaimedZone } from '../controller-api.js';
import type { DeviceReply, GuestZone } from '../device/native.js';
import type { ZoneDevice } from '../device/zone-device.js';
import type { Ledger, LedgerZone } from '../ledger/ledger.js';
import { LIMITS } from '../limits.js';
import type { Log } from '../log.js';

const NS_PER_US = 1_000;
const BUSY_PAUSE_MS = 25;
const BUSY_PAUSE_MAX_MS = 500;

export interface ZoneKeeperOptions {
  readonly ledger: Ledger;
  /** null while the device is away. */
  readonly device: () => ZoneDevice | null;
  readonly zoneBytes: (start: number, sizeBytes: number) => number;
  readonly log: Log;
}

/** What one try to unplug came to. */
type Attempt =
  | { readonly kind: 'returned'; readonly guestUs: number }
  | { readonly kind: 'again'; readonly why: string };

export class ZoneKeeper {
  readonly #options: ZoneKeeperOptions;
  readonly #ended = new AbortController();

  constructor(options: ZoneKeeperOptions) {
    this.#options = options;
  }

  /** What the guest took, us. On an error the zone is free again, or unplugged later. */
  async plug(zone: LedgerZone): Promise<number> {
    const { ledger, log } = this.#options;
    const device = this.#require();
    ledger.move(zone.zoneId, 'plugging');
    const reply = await device.plug(zone);
    if (this.#ended.signal.aborted) throw gone();
    if (reply.result === 'OK') {
      ledger.move(zone.zoneId, 'plugged');
      return Math.round(reply.guestNs / NS_PER_US);
    }
    if (
      reply.result === 'TIMEOUT' ||
      reply.result === 'DISCONNECTED' ||
      reply.result === 'EXISTS'
    ) {
      // Whether the guest holds it is not known: taken away like any other zone.
      log.warn({ zoneId: zone.zoneId, result: reply.result }, 'a plug has no clear answer');
      this.giveBack(zone.zoneId, () => {}).catch(() => {});
    } else {
      ledger.release(zone.zoneId);
    }
    throw new CzoneError(
      reply.result === 'NOMEM' ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE',
      `the guest did not take zone ${zone.zoneId} of ${zone.sizeBytes} bytes: ${reply.result}`,
    );
  }

  /** Gives up a zone that was never plugged. */
  cancel(zoneId: ZoneId): void {
    if (this.#ended.signal.aborted) return;
    this.#options.ledger.release(zoneId);
  }

  /**
   * Unplugs a zone and counts what comes back. Answers after LIMITS.unplugPatienceMs at
   * the latest; what is stuck then is tried again in the background, and `later` told.
   */
  async giveBack(zoneId: ZoneId, later: (result: MemoryReturn) => void): Promise<MemoryReturn> {
    const { ledger, zoneBytes } = this.#options;
    const zone = ledger.zone(zoneId);
    if (zone === null || this.#ended.signal.aborted) throw gone();
    const residentBytes = zoneBytes(zone.start, zone.sizeBytes);
    const begin = performance.now();
    let pauseMs = BUSY_PAUSE_MS;
    ledger.move(zoneId, 'unplugging');
    for (;;) {
      const attempt = await this.#tryUnplug(zone);
      if (this.#ended.signal.aborted) throw gone();
      const unplugUs = Math.round((performance.now() - begin) * 1000);
      if (attempt.kind === 'returned') {
        return this.#settle(zone, residentBytes, unplugUs, attempt.guestUs);
      }
      if (performance.now() - begin > LIMITS.unplugPatienceMs) {
        ledger.move(zoneId, 'stuck');
        this.#options.log.warn({ zoneId, why: attempt.why }, 'a zone is stuck');
        // Ends only with the zone or the VM.
        this.#retryStuck(zone, residentBytes, begin, later).catch((error: unknown) => {
          if (this.#ended.signal.aborted) return;
          this.#options.log.error({ zoneId, error }, 'a stuck zone is not tried again');
        });
        const left = zoneBytes(zone.start, zone.sizeBytes);
        const returnedBytes = Math.max(residentBytes - left, 0);
        return { residentBytes, returnedBytes, unplugUs, guestUs: 0, complete: false };
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, BUSY_PAUSE_MAX_MS);
    }
  }

  /** Takes back what a plugged zone has free. */
  async reclaim(zoneId: ZoneId, containerId: ContainerId): Promise<ReclaimedZone> {
    const { ledger, zoneBytes } = this.#options;
    const zone = ledger.zone(zoneId);
    if (zone === null || zone.state !== 'plugged') {
      throw new CzoneError(
        'FAILED_PRECONDITION',
        `zone ${zoneId} of container ${containerId} is ${zone?.state ?? 'gone'}`,
      );
    }
    const residentBeforeBytes = zoneBytes(zone.start, zone.sizeBytes);
    const begin = performance.now();
    const reply = await this.#require().report(zone);
    if (reply.result !== 'OK') {
      throw new CzoneError(
        'UNAVAILABLE',
        `the guest did not name the free pages of zone ${zoneId}: ${reply.result}`,
      );
    }
    return {
      containerId,
      zoneId,
      residentBeforeBytes,
      returnedBytes: reply.returnedBytes,
      durationUs: Math.round((performance.now() - begin) * 1000),
      ranges: reply.ranges,
    };
  }

  /** After a loss of contact: what the guest holds and nobody gave it is taken away. */
  async compare(): Promise<void> {
    const { ledger, log } = this.#options;
    const device = this.#require();
    const reply = await device.list();
    if (reply.result !== 'OK') {
      throw new CzoneError('UNAVAILABLE', `the guest did not list its zones: ${reply.result}`);
    }
    const known = new Map(ledger.zones().map((zone) => [zone.zoneId as number, zone]));
    for (const guest of reply.zones) {
      const zone = known.get(guest.zoneId);
      if (zone !== undefined && isSame(zone, guest)) continue;
      log.warn({ guest }, 'the guest holds a zone that is not in the ledger');
      await device.unplug({
        zoneId: guest.zoneId,
        start: guest.addr,
        sizeBytes: guest.sizeBytes,
      });
    }
    const held = new Set(reply.zones.map((zone) => zone.zoneId));
    for (const zone of ledger.zones()) {
      if (zone.state !== 'plugged' || held.has(zone.zoneId)) continue;
      log.warn({ zoneId: zone.zoneId }, 'the guest does not hold a zone of the ledger');
    }
  }

  /** The VM is gone: all waiting ends, every range is free. */
  end(): void {
    this.#ended.abort();
    this.#options.ledger.releaseAll();
  }

  async #tryUnplug(zone: LedgerZone): Promise<Attempt> {
    const device = this.#options.device();
    if (device === null || !device.ready) return { kind: 'again', why: 'the device is away' };
    const reply = await device.unplug(zone);
    switch (reply.result) {
      case 'OK':
        return { kind: 'returned', guestUs: Math.round(reply.guestNs / NS_PER_US) };
      case 'BUSY':
        return { kind: 'again', why: `${reply.pagesInUse} pages are in use` };
      default:
        return this.#afterDoubt(device, zone, reply);
    }
  }

  /** An answer was lost, or the guest knows no such zone: LIST tells whether it holds it. */
  async #afterDoubt(device: ZoneDevice, zone: LedgerZone, reply: DeviceReply): Promise<Attempt> {
    const list = await device.list();
    if (list.result !== 'OK') return { kind: 'again', why: `${reply.result}, then ${list.result}` };
    const held = list.zones.some(
      (guest) =>
        guest.zoneId === zone.zoneId ||
        (guest.addr < zone.start + zone.sizeBytes && zone.start < guest.addr + guest.sizeBytes),
    );
    if (held) return { kind: 'again', why: reply.result };
    device.discard(zone);
    return { kind: 'returned', guestUs: 0 };
  }

  #settle(
    zone: LedgerZone,
    residentBytes: number,
    unplugUs: number,
    guestUs: number,
  ): MemoryReturn {
    const { ledger, zoneBytes, log } = this.#options;
    const left = zoneBytes(zone.start, zone.sizeBytes);
    ledger.release(zone.zoneId);
    if (left > 0) log.error({ zone, left }, 'an unplugged range is not empty on the host');
    const returnedBytes = Math.max(residentBytes - left, 0);
    return { residentBytes, returnedBytes, unplugUs, guestUs, complete: left === 0 };
  }

  async #retryStuck(
    zone: LedgerZone,
    residentBytes: number,
    begin: number,
    later: (result: MemoryReturn) => void,
  ): Promise<void> {
    const { ledger, log } = this.#options;
    let pauseMs: number = LIMITS.stuckRetryFirstMs;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      ledger.move(zone.zoneId, 'unplugging');
      const attempt = await this.#tryUnplug(zone);
      if (signal.aborted) return;
      if (attempt.kind === 'returned') {
        const unplugUs = Math.round((performance.now() - begin) * 1000);
        log.info({ zoneId: zone.zoneId }, 'a stuck zone came back');
        later(this.#settle(zone, residentBytes, unplugUs, attempt.guestUs));
        return;
      }
      ledger.move(zone.zoneId, 'stuck');
      pauseMs = Math.min(pauseMs * 2, LIMITS.stuckRetryMaxMs);
    }
  }

  #require(): ZoneDevice {
    const device = this.#options.device();
    if (device === null || !device.ready) {
      throw new CzoneError('UNAVAILABLE', 'the czone device of the VM is away');
    }
    return device;
  }
}

function isSame(zone: LedgerZone, guest: GuestZone): boolean {
  return zone.start === guest.addr && zone.sizeBytes === guest.sizeBytes;
}

function gone(): CzoneError {
  return new CzoneError('UNAVAILABLE', 'the VM has ended');
}
