// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { Ledger, type LedgerZone } from '../../../src/host/ledger/ledger.js';
import {
  firstZoneBytes,
  largestMemoryBytes,
  zoneBytesFor,
} from '../../../src/host/ledger/zone-size.js';
import { mayMove } from '../../../src/host/ledger/zone-states.js';
import type { ContainerId } from '../../../src/protocol/ids.js';
import { BLOCK_BYTES, GIB, MIB } from '../../../src/protocol/units.js';
import { Random, SEEDS } from '../random.js';

const START = 4 * GIB;
const REGION = 256 * MIB;
const nobody = 'c-000000000000' as ContainerId;
const make = () =>
  new Ledger({ regionStart: START, regionBytes: REGION, maxZones: 40, fallowZoneIds: 8 });

t.test('zones never overlap, sums hold, and all freed is one piece again', async (t) => {
  for (const seed of SEEDS) {
    const random = new Random(seed);
    const ledger = make();
    let live: LedgerZone[] = [];
    for (let step = 0; step < 300; step += 1) {
      if (random.below(5) < 3) {
        const blocks = 1 + random.below(24);
        const limitBytes = blocks * BLOCK_BYTES;
        const sizeBytes = (1 + random.below(blocks)) * BLOCK_BYTES;
        const largest = ledger.largestFreeBytes;
        const zone = ledger.reserve(limitBytes, nobody, sizeBytes);
        if (zone !== null) live.push(zone);
        else if (limitBytes <= largest && live.length < 40) {
          t.fail(`seed ${seed}: room was refused`);
        }
      } else if (live.length > 0) {
        const gone = random.pick(live);
        ledger.release(gone.zoneId);
        live = live.filter((zone) => zone !== gone);
      }
      check(ledger, live, seed);
    }
    for (const zone of live) ledger.release(zone.zoneId);
    t.equal(ledger.largestFreeBytes, REGION, `seed ${seed}: one free extent`);
    t.equal(ledger.limitBytes, 0);
    t.equal(ledger.committedBytes, 0);
  }

  function check(ledger: Ledger, live: readonly LedgerZone[], seed: number): void {
    const zones = ledger.zones();
    let end = START;
    let sum = 0;
    for (const zone of zones) {
      if (zone.start < end) t.fail(`seed ${seed}: zone ${zone.zoneId} overlaps`);
      end = zone.start + zone.limitBytes;
      sum += zone.limitBytes;
    }
    if (end > START + REGION) t.fail(`seed ${seed}: a zone leaves the region`);
    if (sum + ledger.freeBytes !== REGION) t.fail(`seed ${seed}: bytes are lost`);
    if (zones.length !== live.length) t.fail(`seed ${seed}: zones are lost`);
    if (new Set(zones.map((zone) => zone.zoneId)).size !== zones.length) {
      t.fail(`seed ${seed}: an id is used twice`);
    }
  }
});

t.test('an id lies fallow after use', async (t) => {
  const ledger = make();
  const first = ledger.reserve(BLOCK_BYTES, nobody);
  if (first === null) throw new Error('no zone');
  t.equal(first.zoneId, 1);
  ledger.release(first.zoneId);
  const ids: number[] = [];
  for (let index = 0; index < 8; index += 1) {
    const zone = ledger.reserve(BLOCK_BYTES, nobody);
    if (zone === null) throw new Error('no zone');
    ids.push(zone.zoneId);
    ledger.release(zone.zoneId);
  }
  t.same(ids, [2, 3, 4, 5, 6, 7, 8, 9], 'the lowest that were not used of late');
  t.equal(ledger.reserve(BLOCK_BYTES, nobody)?.zoneId, 1, 'then the first one again');
});

t.test('best fit takes the smallest extent that is large enough', async (t) => {
  const ledger = make();
  const zones = [16, 4, 16, 8, 84].map((blocks) => ledger.reserve(blocks * BLOCK_BYTES, nobody));
  t.equal(ledger.freeBytes, 0);
  for (const index of [0, 3]) {
    const zone = zones[index];
    if (zone) ledger.release(zone.zoneId);
  }
  const zone = ledger.reserve(6 * BLOCK_BYTES, nobody);
  t.equal(zone?.start, zones[3]?.start, 'not the larger one at the beginning');
});

t.test('what does not fit changes nothing', async (t) => {
  const ledger = make();
  ledger.reserve(200 * MIB, nobody);
  const before = ledger.zones();
  t.equal(ledger.reserve(100 * MIB, nobody), null);
  t.same(ledger.zones(), before);
  t.equal(ledger.freeBytes, 56 * MIB);
});

t.test('a zone takes its size of the budget and is promised its limit', async (t) => {
  const ledger = make();
  const zone = ledger.reserve(64 * MIB, nobody, 8 * MIB);
  if (zone === null) throw new Error('no zone');
  const sums = () => [ledger.sizeBytes, ledger.committedBytes, ledger.promisedBytes];
  t.same(sums(), [8 * MIB, 8 * MIB, 64 * MIB]);
  t.equal(ledger.freeBytes, REGION - 64 * MIB, 'nobody else gets its addresses');
  ledger.commit(zone.zoneId, 24 * MIB);
  t.same(sums(), [8 * MIB, 24 * MIB, 64 * MIB], 'while it is being grown');
  ledger.resize(zone.zoneId, 16 * MIB);
  t.same(sums(), [16 * MIB, 16 * MIB, 64 * MIB], 'it took less than it was offered');
  for (const bytes of [0, MIB, 66 * MIB, 16 * MIB + 4096]) {
    t.throws(() => ledger.resize(zone.zoneId, bytes), RangeError);
  }
  t.throws(() => ledger.reserve(4 * MIB, nobody, 8 * MIB), RangeError);
  t.equal(ledger.zones().length, 1);
});

t.test('a zombie takes what the host counts, and is promised no more', async (t) => {
  const ledger = make();
  const zone = ledger.reserve(64 * MIB, nobody, 32 * MIB);
  if (zone === null) throw new Error('no zone');
  t.throws(() => ledger.move(zone.zoneId, 'zombie'), 'a reserved zone has no container yet');
  for (const state of ['plugging', 'plugged', 'unplugging', 'zombie'] as const) {
    ledger.move(zone.zoneId, state);
  }
  const pins = [
    { start: zone.start, sizeBytes: 8192, reason: 'reference', references: 1 },
  ] as const;
  ledger.describeZombie(zone.zoneId, { inUseBytes: 8192, pins, residentBytes: 12288 });
  t.match(ledger.zone(zone.zoneId), { state: 'zombie', inUseBytes: 8192, pins });
  t.equal(ledger.committedBytes, 12288);
  t.equal(ledger.promisedBytes, 12288);
  t.equal(ledger.freeBytes, REGION - 64 * MIB, 'its addresses stay taken');
  t.throws(() => ledger.release(zone.zoneId), 'only an unplug frees it');
  ledger.move(zone.zoneId, 'unplugging');
  ledger.release(zone.zoneId);
  t.equal(ledger.freeBytes, REGION);
});

t.test('a zone begins with room for its memmap and the first bytes', async (t) => {
  t.equal(firstZoneBytes(66 * MIB, 8 * MIB), 10 * MIB);
  t.equal(firstZoneBytes(1040 * MIB, 8 * MIB), 26 * MIB, '1040 MiB are described by 17, in blocks');
  t.equal(firstZoneBytes(10 * MIB, 64 * MIB), 10 * MIB, 'never more than the limit');
  t.equal(firstZoneBytes(10 * MIB, 1), 4 * MIB, 'never less than a zone can be');
});

t.test('only listed moves are made', async (t) => {
  const ledger = make();
  const zone = ledger.reserve(BLOCK_BYTES, nobody);
  if (zone === null) throw new Error('no zone');
  t.throws(() => ledger.move(zone.zoneId, 'plugged'), 'reserved is not plugged yet');
  ledger.move(zone.zoneId, 'plugging');
  ledger.move(zone.zoneId, 'plugged');
  t.throws(() => ledger.release(zone.zoneId), 'a plugged zone is not free');
  ledger.move(zone.zoneId, 'unplugging');
  ledger.move(zone.zoneId, 'stuck');
  t.throws(() => ledger.move(zone.zoneId, 'plugged'));
  ledger.move(zone.zoneId, 'unplugging');
  ledger.release(zone.zoneId);
  t.throws(() => ledger.release(zone.zoneId), 'nothing is freed twice');
  t.notOk(mayMove('plugged', 'free'));
});

t.test('a zone has room for what its container was promised', async (t) => {
  for (let memoryBytes = 8 * MIB; memoryBytes <= 4 * GIB; memoryBytes += 54 * MIB + 4096) {
    const zoneBytes = zoneBytesFor(memoryBytes);
    const usableBytes = zoneBytes - zoneBytes / 64;
    if (usableBytes < memoryBytes) t.fail(`${memoryBytes}: only ${usableBytes} usable`);
    if (zoneBytes % BLOCK_BYTES !== 0) t.fail(`${memoryBytes}: not whole blocks`);
    if (zoneBytes > memoryBytes * 1.05 + 3 * BLOCK_BYTES) t.fail(`${memoryBytes}: ${zoneBytes}`);
  }
  const largest = largestMemoryBytes(2 * GIB);
  t.ok(zoneBytesFor(largest) <= 2 * GIB, 'the largest fits');
  t.ok(zoneBytesFor(largest + BLOCK_BYTES) > 2 * GIB, 'and no larger one does');
});
