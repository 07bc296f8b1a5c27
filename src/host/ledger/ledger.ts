// SPDX-License-Identifier: Apache-2.0
// The ledger of one VM's zone region: the truth about who has which range. Pure.
import type { ContainerId, ZoneId } from '../../protocol/ids.js';
import { BLOCK_BYTES } from '../../protocol/units.js';
import type { ZoneState } from '../controller-api.js';
import { FreeRanges } from './ranges.js';
import { ZoneIds } from './zone-ids.js';
import { mayMove } from './zone-states.js';

export interface LedgerZone {
  readonly zoneId: ZoneId;
  /** Guest-physical, bytes. */
  readonly start: number;
  readonly sizeBytes: number;
  readonly state: ZoneState;
  readonly containerId: ContainerId;
}

export interface LedgerOptions {
  /** Guest-physical, bytes, a multiple of a block. */
  readonly regionStart: number;
  readonly regionBytes: number;
  readonly maxZones: number;
  readonly fallowZoneIds: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export class Ledger {
  readonly regionStart: number;
  readonly regionBytes: number;
  readonly #free: FreeRanges;
  readonly #ids: ZoneIds;
  readonly #zones = new Map<ZoneId, Mutable<LedgerZone>>();

  constructor(options: LedgerOptions) {
    this.regionStart = options.regionStart;
    this.regionBytes = options.regionBytes;
    this.#free = new FreeRanges(options.regionBytes / BLOCK_BYTES);
    this.#ids = new ZoneIds(options.maxZones, options.fallowZoneIds);
  }

  /** null: no extent is long enough or no id is left. Nothing has changed then. */
  reserve(sizeBytes: number, containerId: ContainerId): LedgerZone | null {
    const length = sizeBytes / BLOCK_BYTES;
    if (this.#free.largestBlocks < length) return null;
    const zoneId = this.#ids.take();
    if (zoneId === null) return null;
    const block = this.#free.allocate(length);
    if (block === null) {
      this.#ids.release(zoneId);
      return null;
    }
    const start = this.regionStart + block * BLOCK_BYTES;
    const zone: LedgerZone = { zoneId, start, sizeBytes, state: 'reserved', containerId };
    this.#zones.set(zoneId, { ...zone });
    return zone;
  }

  /** Throws on a move that zone-states.ts does not list. */
  move(zoneId: ZoneId, to: ZoneState): void {
    const zone = this.#require(zoneId);
    if (!mayMove(zone.state, to)) throw new Error(`zone ${zoneId}: ${zone.state} -> ${to}`);
    zone.state = to;
  }

  /** Gives the range back to the region. */
  release(zoneId: ZoneId): void {
    const zone = this.#require(zoneId);
    if (!mayMove(zone.state, 'free')) throw new Error(`zone ${zoneId}: ${zone.state} -> free`);
    this.#drop(zone);
  }

  /** The VM is gone, and its memory file with it: every range is free. */
  releaseAll(): void {
    for (const zone of [...this.#zones.values()]) this.#drop(zone);
  }

  zone(zoneId: ZoneId): LedgerZone | null {
    const zone = this.#zones.get(zoneId);
    return zone === undefined ? null : { ...zone };
  }

  /** In the order of their ranges. */
  zones(): readonly LedgerZone[] {
    return [...this.#zones.values()]
      .map((zone) => ({ ...zone }))
      .sort((left, right) => left.start - right.start);
  }

  get largestFreeBytes(): number {
    return this.#free.largestBlocks * BLOCK_BYTES;
  }

  get freeBytes(): number {
    return this.#free.freeBlocks * BLOCK_BYTES;
  }

  /** Bytes that belong to a zone in any state: what counts against the budget. */
  get takenBytes(): number {
    return this.regionBytes - this.freeBytes;
  }

  #drop(zone: LedgerZone): void {
    this.#zones.delete(zone.zoneId);
    this.#ids.release(zone.zoneId);
    this.#free.free((zone.start - this.regionStart) / BLOCK_BYTES, zone.sizeBytes / BLOCK_BYTES);
  }

  #require(zoneId: ZoneId): Mutable<LedgerZone> {
    const zone = this.#zones.get(zoneId);
    if (zone === undefined) throw new Error(`zone ${zoneId} is not in the ledger`);
    return zone;
  }
}
