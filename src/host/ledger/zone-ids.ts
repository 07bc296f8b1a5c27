// SPDX-License-Identifier: Apache-2.0
// Ids of zones: the lowest free one that was not used of late. Pure.
import { ZONE_ID_MAX, type ZoneId } from '../../protocol/ids.js';

/**
 * An id lies fallow after use: a message that was under way when its zone ended
 * must not be taken for one about the next zone. Low ids are preferred so that
 * logs and lists stay readable.
 */
export class ZoneIds {
  readonly #used = new Set<number>();
  /** Oldest first. */
  readonly #fallow: number[] = [];
  readonly #maxZones: number;
  readonly #fallowCount: number;

  constructor(maxZones: number, fallowCount: number) {
    if (!Number.isInteger(maxZones) || maxZones < 1 || maxZones > ZONE_ID_MAX) {
      throw new RangeError(`a region has 1 to ${ZONE_ID_MAX} zones, not ${maxZones}`);
    }
    this.#maxZones = maxZones;
    this.#fallowCount = fallowCount;
  }

  /** null: all ids are in use. */
  take(): ZoneId | null {
    if (this.#used.size >= this.#maxZones) return null;
    const fallow = new Set(this.#fallow);
    for (let id = 1; id <= this.#maxZones; id += 1) {
      if (!this.#used.has(id) && !fallow.has(id)) return this.#mark(id);
    }
    const oldest = this.#fallow.shift();
    return oldest === undefined ? null : this.#mark(oldest);
  }

  release(id: ZoneId): void {
    if (!this.#used.delete(id)) throw new RangeError(`zone id ${id} is not in use`);
    this.#fallow.push(id);
    if (this.#fallow.length > this.#fallowCount) this.#fallow.shift();
  }

  #mark(id: number): ZoneId {
    this.#used.add(id);
    return id as ZoneId;
  }
}
