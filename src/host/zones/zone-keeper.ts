// SPDX-License-Identifier: Apache-2.0
// Plugs, grows, returns and reclaims the zones of one VM: ledger, device and memory file
// in step. It alone moves the ledger's states (zone-states.ts).
//
// The ledger is the truth about ranges, the guest about pages (LIST), the memory file
// about bytes. After any doubt the three are compared here.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../../protocol/errors.js';
import type { ContainerId, ZoneId } from '../../protocol/ids.js';
import type { MemoryReturn, ReclaimedZone } from '../controller-api.js';
import type { DeviceReply } from '../device/native.js';
import type { ZoneDevice } from '../device/zone-device.js';
import type { Ledger, LedgerZone } from '../ledger/ledger.js';
import { firstZoneBytes, memmapBytes } from '../ledger/zone-size.js';
import { LIMITS } from '../limits.js';
import type { Log } from '../log.js';
import { decideShrink, emptyEndBytes } from './shrink-policy.js';
import { type Attempt, type Held, isSame, ZoneCommands } from './zone-commands.js';
import { ZoneGrowth } from './zone-growth.js';

const NS_PER_US = 1_000;
const BUSY_PAUSE_MS = 25;
const BUSY_PAUSE_MAX_MS = 500;

export interface ZoneKeeperOptions {
  readonly ledger: Ledger;
  /** null while the device is away. */
  readonly device: () => ZoneDevice | null;
  readonly zoneBytes: (start: number, sizeBytes: number) => number;
  /** What the node has for all zones. */
  readonly spareBytes: () => number;
  /** What a container can use before its zone grows, where nobody says otherwise. */
  readonly firstBytes: number;
  readonly log: Log;
}

export class ZoneKeeper {
  readonly #options: ZoneKeeperOptions;
  readonly #ended = new AbortController();
  readonly #commands: ZoneCommands;
  readonly #growth: ZoneGrowth;
  /** Ended zones that wait to be tried again, by what wakes them. */
  readonly #waiting = new Map<ZoneId, { released: boolean; wake: () => void }>();

  constructor(options: ZoneKeeperOptions) {
    this.#options = options;
    this.#commands = new ZoneCommands(options);
    this.#growth = new ZoneGrowth({
      ...options,
      resize: (zoneId, sizeBytes) => this.#resize(zoneId, sizeBytes),
      ended: this.#ended.signal,
    });
  }

  /** What the guest took, us. On an error the zone is free again, or unplugged later. */
  async plug({ zoneId }: { readonly zoneId: ZoneId }): Promise<number> {
    const { ledger, log } = this.#options;
    const device = this.#commands.device();
    const zone = this.#forDriver(device, zoneId);
    ledger.move(zoneId, 'plugging');
    const reply = await device.plug(zone);
    if (this.#ended.signal.aborted) throw gone();
    if (reply.result === 'OK') {
      ledger.move(zoneId, 'plugged');
      this.#growth.serve(zoneId);
      return Math.round(reply.guestNs / NS_PER_US);
    }
    if (
      reply.result === 'TIMEOUT' ||
      reply.result === 'DISCONNECTED' ||
      reply.result === 'EXISTS'
    ) {
      // Whether the guest holds it is not known: taken away like any other zone.
      log.warn({ zoneId, result: reply.result }, 'a plug has no clear answer');
      this.giveBack(zoneId, () => {}).catch(() => {});
    } else {
      this.#release(zoneId);
    }
    throw new CzoneError(
      reply.result === 'NOMEM' ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE',
      `the guest did not take zone ${zoneId} of ${zone.sizeBytes} bytes: ${reply.result}`,
    );
  }

  /** Gives up a zone that was never plugged. */
  cancel(zoneId: ZoneId): void {
    if (this.#ended.signal.aborted) return;
    this.#release(zoneId);
  }

  /** The guest says that a zone would use so much. Any numbers may be given. */
  want(zoneId: number, wantedBytes: number): void {
    if (!this.#ended.signal.aborted) this.#growth.want(zoneId as ZoneId, wantedBytes);
  }

  /** The guest says that pages of an ended zone were released. */
  released(zoneId: number): void {
    const waiting = this.#waiting.get(zoneId as ZoneId);
    if (waiting === undefined) return;
    waiting.released = true;
    waiting.wake();
  }

  /**
   * Unplugs a zone and counts what comes back. Answers after LIMITS.unplugPatienceMs at
   * the latest; what is stuck or pinned then is tried again in the background, and
   * `later` told.
   */
  async giveBack(zoneId: ZoneId, later: (result: MemoryReturn) => void): Promise<MemoryReturn> {
    const { ledger, zoneBytes } = this.#options;
    const zone = ledger.zone(zoneId);
    if (zone === null || this.#ended.signal.aborted) throw gone();
    this.#growth.forget(zoneId);
    let held: Held = { residentBytes: zoneBytes(zone.start, zone.limitBytes), earlyBytes: 0 };
    let known = false;
    const begin = performance.now();
    let pauseMs = BUSY_PAUSE_MS;
    ledger.move(zoneId, 'unplugging');
    for (;;) {
      const attempt = await this.#commands.tryUnplug(zoneId);
      if (this.#ended.signal.aborted) throw gone();
      if (!known && attempt.kind !== 'again' && attempt.held !== null) {
        held = attempt.held;
        known = true;
      }
      const unplugUs = Math.round((performance.now() - begin) * 1000);
      if (attempt.kind === 'returned') {
        return this.#settle(zone, held, unplugUs, attempt.guestUs);
      }
      const patienceMs =
        attempt.kind === 'pinned' ? LIMITS.zombiePatienceMs : LIMITS.unplugPatienceMs;
      if (performance.now() - begin > patienceMs) {
        const left = this.#park(zone, attempt);
        // Ends only with the zone or the VM.
        this.#retryLater(zone, held, begin, later).catch((error: unknown) => {
          if (this.#ended.signal.aborted) return;
          this.#options.log.error({ zoneId, error }, 'an ended zone is not tried again');
        });
        return { ...cameBack(held, left), unplugUs, guestUs: 0, complete: false };
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, BUSY_PAUSE_MAX_MS);
    }
  }

  /** Takes back what a plugged zone has free, and makes it smaller where that is worth it. */
  async reclaim(zoneId: ZoneId, containerId: ContainerId): Promise<ReclaimedZone> {
    const zone = this.#options.ledger.zone(zoneId);
    if (zone === null) throw notPlugged(zoneId, containerId, 'gone');
    return this.#commands.inOrder(zoneId, (now) => this.#reclaimInOrder(now, containerId));
  }

  /**
   * After a loss of contact: sizes are taken over, and what the guest holds and nobody
   * gave it is taken away.
   */
  async compare(): Promise<void> {
    const { ledger, log } = this.#options;
    const device = this.#commands.device();
    const reply = await device.list();
    if (reply.result !== 'OK') {
      throw new CzoneError('UNAVAILABLE', `the guest did not list its zones: ${reply.result}`);
    }
    const known = new Map(ledger.zones().map((zone) => [zone.zoneId as number, zone]));
    for (const guest of reply.zones) {
      const zone = known.get(guest.zoneId);
      if (zone !== undefined && isSame(zone, guest)) {
        this.#commands.adopt(zone, guest);
        continue;
      }
      log.warn({ guest }, 'the guest holds a zone that is not in the ledger');
      await device.unplug({ ...guest, start: guest.addr });
    }
    const held = new Set(reply.zones.map((zone) => zone.zoneId));
    for (const zone of ledger.zones()) {
      if (zone.state !== 'plugged' || held.has(zone.zoneId)) continue;
      log.warn({ zoneId: zone.zoneId }, 'the guest does not hold a zone of the ledger');
    }
    // Pages may have been released while nobody could tell us.
    for (const zoneId of this.#waiting.keys()) this.released(zoneId);
  }

  /** The VM is gone: all waiting ends, every range is free. */
  end(): void {
    this.#ended.abort();
    this.#options.ledger.releaseAll();
  }

  /** Without RESIZE a zone has all of its limit from the start. */
  #forDriver(device: ZoneDevice, zoneId: ZoneId): LedgerZone {
    const { ledger } = this.#options;
    const zone = ledger.zone(zoneId);
    if (zone === null) throw gone();
    const missingBytes = zone.limitBytes - zone.sizeBytes;
    if (device.features.resize || missingBytes === 0) return zone;
    if (missingBytes > this.#options.spareBytes()) {
      this.#release(zoneId);
      throw new CzoneError(
        'RESOURCE_EXHAUSTED',
        "the guest's driver can't grow zones, and the node has not enough for all of the limit",
      );
    }
    ledger.resize(zoneId, zone.limitBytes);
    return { ...zone, sizeBytes: zone.limitBytes };
  }

  /** Committed at once: nobody else is given what this zone may get. */
  #resize(zoneId: ZoneId, sizeBytes: number): Promise<DeviceReply> {
    const { ledger } = this.#options;
    const zone = ledger.zone(zoneId);
    if (zone === null) return Promise.reject(gone());
    ledger.commit(zoneId, Math.max(sizeBytes, zone.committedBytes));
    return this.#commands.inOrder(zoneId, async (now) => {
      if (now.state === 'plugged') return this.#commands.resize(now, sizeBytes);
      throw new CzoneError('FAILED_PRECONDITION', `zone ${zoneId} is ${now.state}`);
    });
  }

  async #reclaimInOrder(zone: LedgerZone, containerId: ContainerId): Promise<ReclaimedZone> {
    const { zoneId } = zone;
    if (zone.state !== 'plugged') throw notPlugged(zoneId, containerId, zone.state);
    const device = this.#commands.device();
    const residentBeforeBytes = this.#resident(zone);
    const begin = performance.now();
    const report = await device.report(zone);
    if (report.result !== 'OK') {
      throw new CzoneError(
        'UNAVAILABLE',
        `the guest did not name the free pages of zone ${zoneId}: ${report.result}`,
      );
    }
    const shrink = device.features.resize ? await this.#shrink(zone) : null;
    const sizeBytes = shrink?.result === 'OK' ? shrink.sizeBytes : zone.sizeBytes;
    return {
      containerId,
      zoneId,
      residentBeforeBytes,
      returnedBytes: report.returnedBytes + (shrink?.returnedBytes ?? 0),
      durationUs: Math.round((performance.now() - begin) * 1000),
      ranges: report.ranges + (shrink?.ranges ?? 0),
      sizeBytes,
      shrunkBytes: zone.sizeBytes - sizeBytes,
      coldBytes: 0,
      swappedBytes: 0,
    };
  }

  /** null: it stays as it is. */
  async #shrink(zone: LedgerZone): Promise<DeviceReply | null> {
    const { zoneBytes, firstBytes, log } = this.#options;
    const { start, sizeBytes, limitBytes, zoneId } = zone;
    const target = decideShrink({
      sizeBytes,
      memmapBytes: memmapBytes(limitBytes),
      firstBytes: firstZoneBytes(limitBytes, firstBytes),
      residentBytes: this.#resident(zone),
      emptyEndBytes: emptyEndBytes(sizeBytes, (from) => zoneBytes(start + from, sizeBytes - from)),
      mayMovePages: true,
    });
    if (target === null) return null;
    const reply = await this.#commands.resize(zone, target);
    if (reply.result !== 'OK') log.info({ zoneId, result: reply.result }, 'a zone does not shrink');
    return reply;
  }

  #resident(zone: LedgerZone): number {
    return this.#options.zoneBytes(zone.start, zone.limitBytes);
  }

  #settle(zone: LedgerZone, held: Held, unplugUs: number, guestUs: number): MemoryReturn {
    const left = this.#resident(zone);
    this.#release(zone.zoneId);
    if (left > 0) {
      this.#options.log.error({ zone, left }, 'an unplugged range is not empty on the host');
    }
    return { ...cameBack(held, left), unplugUs, guestUs, complete: left === 0 };
  }

  /** Until it is tried again. What the host still has in its range, bytes. */
  #park(zone: LedgerZone, attempt: Exclude<Attempt, { kind: 'returned' }>): number {
    const { ledger, log } = this.#options;
    const { zoneId } = zone;
    const left = this.#resident(zone);
    if (attempt.kind === 'again') {
      ledger.move(zoneId, 'stuck');
      log.warn({ zoneId, why: attempt.why }, 'a zone is stuck');
      return left;
    }
    const { inUseBytes, pins } = attempt;
    ledger.move(zoneId, 'zombie');
    ledger.describeZombie(zoneId, { inUseBytes, pins, residentBytes: left });
    log.warn({ zoneId, inUseBytes, pins }, 'pages in use keep an ended zone');
    return left;
  }

  async #retryLater(
    zone: LedgerZone,
    held: Held,
    begin: number,
    later: (result: MemoryReturn) => void,
  ): Promise<void> {
    const { ledger, log } = this.#options;
    const { zoneId } = zone;
    const { signal } = this.#ended;
    let pauseMs: number = LIMITS.stuckRetryFirstMs;
    while (!signal.aborted) {
      await this.#awaitRelease(zoneId, pauseMs);
      if (signal.aborted) return;
      ledger.move(zoneId, 'unplugging');
      const attempt = await this.#commands.tryUnplug(zoneId);
      if (signal.aborted) return;
      if (attempt.kind === 'returned') {
        const unplugUs = Math.round((performance.now() - begin) * 1000);
        this.#waiting.delete(zoneId);
        log.info({ zoneId }, 'an ended zone came back');
        later(this.#settle(zone, held, unplugUs, attempt.guestUs));
        return;
      }
      this.#park(zone, attempt);
      pauseMs = Math.min(pauseMs * 2, LIMITS.stuckRetryMaxMs);
    }
  }

  /** So long, or until pages were released; a guest that says so all the time is not followed. */
  async #awaitRelease(zoneId: ZoneId, pauseMs: number): Promise<void> {
    const { signal } = this.#ended;
    const waiting = this.#waiting.get(zoneId) ?? { released: false, wake: () => {} };
    this.#waiting.set(zoneId, waiting);
    const pause = (ms: number, end: AbortSignal) =>
      sleep(ms, undefined, { signal: end, ref: false }).catch(() => {});
    await pause(Math.min(LIMITS.releasedRetryMs, pauseMs), signal);
    if (!waiting.released) {
      const woken = new AbortController();
      waiting.wake = () => woken.abort();
      await pause(pauseMs, AbortSignal.any([signal, woken.signal]));
      waiting.wake = () => {};
    }
    waiting.released = false;
  }

  #release(zoneId: ZoneId): void {
    this.#growth.forget(zoneId);
    this.#commands.forget(zoneId);
    this.#options.ledger.release(zoneId);
  }
}

/** `leftBytes`: on the host still. */
function cameBack(held: Held, leftBytes: number) {
  return { ...held, returnedBytes: Math.max(held.residentBytes - leftBytes, 0) };
}

function notPlugged(zoneId: ZoneId, containerId: ContainerId, state: string): CzoneError {
  return new CzoneError(
    'FAILED_PRECONDITION',
    `zone ${zoneId} of container ${containerId} is ${state}`,
  );
}

function gone(): CzoneError {
  return new CzoneError('UNAVAILABLE', 'the VM has ended');
}
