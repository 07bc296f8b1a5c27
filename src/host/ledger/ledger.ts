// SPDX-License-Identifier: Apache-2.0
// The ledger of one VM's zone region: the truth about who has which range. Pure.
//
// A zone has addresses up to its limit, memory up to its size, and a commitment: the
// bytes of the node's budget that it takes now. That is its size; more while it is
// being grown, so that nobody else is given what it may get; and of a zombie what the
// host counts in its range, since nothing can be allocated from it any more.
import type { ContainerId, ZoneId } from '../../protocol/ids.js';
import { BLOCK_BYTES } from '../../protocol/units.js';
import type { ZonePin, ZoneState } from '../controller-api.js';
import { FreeRanges } from './ranges.js';
import { ZoneIds } from './zone-ids.js';
import { mayMove } from './zone-states.js';

export interface LedgerZone {
  readonly zoneId: ZoneId;
  /** Guest-physical, bytes. */
  readonly start: number;
  /** Memory that it has. */
  readonly sizeBytes: number;
  /** Addresses that are its own: what it may grow to. */
  readonly limitBytes: number;
  /** What it takes of the node's budget now. */
  readonly committedBytes: number;
  readonly state: ZoneState;
  readonly containerId: ContainerId;
  /** Of a zombie: what the guest says of the pages that hold it. */
  readonly inUseBytes: number;
  readonly pins: readonly ZonePin[];
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
  reserve(
    limitBytes: number,
    containerId: ContainerId,
    sizeBytes: number = limitBytes,
  ): LedgerZone | null {
    checkSize(sizeBytes, limitBytes);
    const length = limitBytes / BLOCK_BYTES;
    if (this.#free.largestBlocks < length) return null;
    const zoneId = this.#ids.take();
    if (zoneId === null) return null;
    const block = this.#free.allocate(length);
    if (block === null) {
      this.#ids.release(zoneId);
      return null;
    }
    const zone: LedgerZone = {
      zoneId,
      start: this.regionStart + block * BLOCK_BYTES,
      sizeBytes,
      limitBytes,
      committedBytes: sizeBytes,
      state: 'reserved',
      containerId,
      inUseBytes: 0,
      pins: [],
    };
    this.#zones.set(zoneId, { ...zone });
    return zone;
  }

  /** Throws on a move that zone-states.ts does not list. */
  move(zoneId: ZoneId, to: ZoneState): void {
    const zone = this.#require(zoneId);
    if (!mayMove(zone.state, to)) throw new Error(`zone ${zoneId}: ${zone.state} -> ${to}`);
    zone.state = to;
  }

  /** The zone has this size now, and is committed to as much. */
  resize(zoneId: ZoneId, sizeBytes: number): void {
    const zone = this.#require(zoneId);
    checkSize(sizeBytes, zone.limitBytes);
    zone.sizeBytes = sizeBytes;
    zone.committedBytes = sizeBytes;
  }

  /** What it takes of the node's budget; never more than its limit. */
  commit(zoneId: ZoneId, bytes: number): void {
    const zone = this.#require(zoneId);
    zone.committedBytes = Math.min(bytes, zone.limitBytes);
  }

  /** Only pages that can't be moved hold it: who they are, and what the host counts. */
  describeZombie(
    zoneId: ZoneId,
    facts: {
      readonly inUseBytes: number;
      readonly pins: readonly ZonePin[];
      readonly residentBytes: number;
    },
  ): void {
    const zone = this.#require(zoneId);
    zone.inUseBytes = facts.inUseBytes;
    zone.pins = facts.pins;
    this.commit(zoneId, facts.residentBytes);
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

  /** Memory of the zones in any state. */
  get sizeBytes(): number {
    return this.#sum((zone) => zone.sizeBytes);
  }

  /** Addresses of the zones in any state. */
  get limitBytes(): number {
    return this.regionBytes - this.freeBytes;
  }

  /** What the zones take of the node's budget now. */
  get committedBytes(): number {
    return this.#sum((zone) => zone.committedBytes);
  }

  /** What the node has promised that they can have. A zombie is promised nothing more. */
  get promisedBytes(): number {
    return this.#sum((zone) => (zone.state === 'zombie' ? zone.committedBytes : zone.limitBytes));
  }

  #sum(bytesOf: (zone: LedgerZone) => number): number {
    let sum = 0;
    for (const zone of this.#zones.values()) sum += bytesOf(zone);
    return sum;
  }

  #drop(zone: LedgerZone): void {
    this.#zones.delete(zone.zoneId);
    this.#ids.release(zone.zoneId);
    this.#free.free((zone.start - this.regionStart) / BLOCK_BYTES, zone.limitBytes / BLOCK_BYTES);
  }

  #require(zoneId: ZoneId): Mutable<LedgerZone> {
    const zone = this.#zones.get(zoneId);
    if (zone === undefined) throw new Error(`zone ${zoneId} is not in the ledger`);
    return zone;
  }
}

function checkSize(sizeBytes: number, limitBytes: number): void {
  const whole = sizeBytes % BLOCK_BYTES === 0 && limitBytes % BLOCK_BYTES === 0;
  if (!whole || sizeBytes < BLOCK_BYTES || sizeBytes > limitBytes) {
    throw new RangeError(`a zone of ${sizeBytes} bytes can't have a limit of ${limitBytes}`);
  }
}
