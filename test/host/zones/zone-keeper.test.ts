// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import type { MemoryReturn } from '../../../src/host/controller-api.js';
import type { DeviceReply, DeviceResult } from '../../../src/host/device/native.js';
import type { ZoneDevice, ZoneRange } from '../../../src/host/device/zone-device.js';
import { Ledger } from '../../../src/host/ledger/ledger.js';
import { SILENT } from '../../../src/host/log.js';
import { ZoneKeeper } from '../../../src/host/zones/zone-keeper.js';
import type { ContainerId } from '../../../src/protocol/ids.js';
import { GIB, MIB } from '../../../src/protocol/units.js';

const container = 'c-000000000000' as ContainerId;
const EMPTY: DeviceReply = {
  result: 'OK',
  pagesInUse: 0,
  guestNs: 2_000,
  roundTripNs: 0,
  residentBeforeBytes: -1,
  earlierBytes: 0,
  returnedBytes: 0,
  ranges: 0,
  sizeBytes: 0,
  zones: [],
  pins: [],
};
const PIN = { addr: 4 * GIB + 4096, sizeBytes: 4096, reason: 1, references: 2 };

/** A guest and a memory file that do as the test says. */
class Pretended {
  ready = true;
  features = { report: true, resize: true, zombie: true };
  readonly held = new Map<number, ZoneRange>();
  /** Results of the next UNPLUGs; then OK. */
  readonly unplugResults: DeviceResult[] = [];
  /** The zone is a zombie as long as these hold it. */
  pins: (typeof PIN)[] = [];
  /** What the next RESIZEs come to instead of what was asked. */
  readonly resizeAnswers: Partial<DeviceReply>[] = [];
  plugResult: DeviceResult = 'OK';
  /** Plugged although the answer says otherwise. */
  plugsAnyway = false;
  bytes = 0;
  readonly calls: string[] = [];

  async plug(zone: ZoneRange): Promise<DeviceReply> {
    this.calls.push('plug');
    if (this.plugResult === 'OK' || this.plugsAnyway) this.held.set(zone.zoneId, zone);
    return { ...EMPTY, result: this.plugResult };
  }

  async unplug(zone: ZoneRange): Promise<DeviceReply> {
    this.calls.push('unplug');
    if (this.pins.length > 0) {
      this.bytes = this.pins.length * 4096;
      return { ...EMPTY, result: 'BUSY', pagesInUse: this.pins.length, pins: this.pins };
    }
    const result = this.unplugResults.shift() ?? (this.held.has(zone.zoneId) ? 'OK' : 'NOENT');
    if (result === 'OK') {
      this.held.delete(zone.zoneId);
      this.bytes = 0;
    }
    return { ...EMPTY, result, pagesInUse: result === 'BUSY' ? 3 : 0 };
  }

  async resize(zone: ZoneRange, sizeBytes: number): Promise<DeviceReply> {
    this.calls.push(`resize ${zone.sizeBytes / MIB} to ${sizeBytes / MIB}`);
    const reply = { ...EMPTY, sizeBytes, ...this.resizeAnswers.shift() };
    if (reply.result === 'OK') {
      this.held.set(zone.zoneId, { ...zone, sizeBytes: reply.sizeBytes });
    }
    return reply;
  }

  async report(): Promise<DeviceReply> {
    this.calls.push('report');
    return { ...EMPTY, returnedBytes: MIB, ranges: 1 };
  }

  async list(): Promise<DeviceReply> {
    const zones = [...this.held.values()].map((zone) => ({
      zoneId: zone.zoneId,
      state: 1,
      addr: zone.start,
      sizeBytes: zone.sizeBytes,
      limitBytes: zone.limitBytes,
      freeBytes: 0,
    }));
    return { ...EMPTY, zones };
  }

  discard(): number {
    this.calls.push('discard');
    const freed = this.bytes;
    this.bytes = 0;
    return freed;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const guest = new Pretended();
  /** What is left for all zones while so much is committed. */
  const node = { spareBytes: GIB, committedBytes: 0 };
  const ledger = new Ledger({
    regionStart: 4 * GIB,
    regionBytes: 256 * MIB,
    maxZones: 100,
    fallowZoneIds: 4,
  });
  const keeper = new ZoneKeeper({
    ledger,
    device: () => guest as unknown as ZoneDevice,
    // All that a zone has lies at its start.
    zoneBytes: (start) => Math.max(guest.bytes - ((start - 4 * GIB) % (64 * MIB)), 0),
    spareBytes: () => node.spareBytes - (ledger.committedBytes - node.committedBytes),
    firstBytes: 8 * MIB,
    log: SILENT,
  });
  const reserve = (sizeBytes = 64 * MIB) => {
    const zone = ledger.reserve(64 * MIB, container, sizeBytes);
    if (zone === null) throw new Error('no room');
    return zone;
  };
  return { guest, ledger, keeper, reserve, node };
}

t.test('plug and give back: every byte is counted', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const zone = reserve();
  t.equal(await keeper.plug(zone), 2, 'microseconds of the guest');
  guest.bytes = 5 * MIB;
  t.match(await keeper.giveBack(zone.zoneId, () => {}), {
    residentBytes: 5 * MIB,
    returnedBytes: 5 * MIB,
    complete: true,
  });
  t.equal(ledger.limitBytes, 0);
});

t.test('a busy zone is tried again', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.unplugResults.push('BUSY', 'BUSY');
  t.match(await keeper.giveBack(zone.zoneId, () => {}), { complete: true });
  t.same(guest.calls, ['plug', 'unplug', 'unplug', 'unplug']);
  t.equal(ledger.limitBytes, 0);
});

t.test('what came back before the unplug counts too', async (t) => {
  const { guest, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  // The guest named some of it between the first count and the device's own.
  guest.bytes = 5 * MIB;
  const { unplug } = guest;
  guest.unplug = async (held) => ({
    ...(await unplug.call(guest, held)),
    residentBeforeBytes: 2 * MIB,
    earlierBytes: 40 * MIB,
  });
  t.match(await keeper.giveBack(zone.zoneId, () => {}), {
    residentBytes: 42 * MIB,
    returnedBytes: 42 * MIB,
    earlyBytes: 40 * MIB,
    complete: true,
  });
});

t.test('bytes that stay are not called returned', async (t) => {
  const { guest, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.bytes = 4096;
  guest.unplugResults.push('OK');
  guest.unplug = async () => EMPTY;
  t.match(await keeper.giveBack(zone.zoneId, () => {}), { returnedBytes: 0, complete: false });
});

t.test('a refused plug leaves nothing', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  guest.plugResult = 'NOMEM';
  await t.rejects(keeper.plug(reserve()), { code: 'RESOURCE_EXHAUSTED' });
  t.equal(ledger.limitBytes, 0);
});

t.test('a plug without an answer is unplugged, held or not', async (t) => {
  for (const plugsAnyway of [true, false]) {
    const { guest, ledger, keeper, reserve } = setUp();
    guest.plugResult = 'TIMEOUT';
    guest.plugsAnyway = plugsAnyway;
    guest.bytes = 4096;
    await t.rejects(keeper.plug(reserve()), { code: 'UNAVAILABLE' });
    while (ledger.limitBytes > 0) await turn();
    t.equal(guest.held.size, 0);
    t.equal(guest.bytes, 0);
    t.equal(guest.calls.includes('discard'), !plugsAnyway, 'discarded only where it is not held');
  }
});

t.test('a lost answer to unplug: LIST decides', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.bytes = MIB;
  // The guest let it go but nobody heard; nothing was discarded.
  guest.unplug = async () => {
    guest.held.clear();
    return { ...EMPTY, result: 'DISCONNECTED' };
  };
  t.match(await keeper.giveBack(zone.zoneId, () => {}), { returnedBytes: MIB, complete: true });
  t.ok(guest.calls.includes('discard'));
  t.equal(ledger.limitBytes, 0);
});

t.test('after a loss of contact unknown zones of the guest are taken away', async (t) => {
  const { guest, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.held.set(77, {
    ...zone,
    zoneId: 77,
    start: 4 * GIB + 128 * MIB,
    sizeBytes: 4 * MIB,
  });
  await keeper.compare();
  t.same([...guest.held.keys()], [zone.zoneId]);
});

t.test('the end of the VM frees all and ends what waits', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.ready = false;
  const waiting = keeper.giveBack(zone.zoneId, () => {});
  keeper.end();
  await t.rejects(waiting, { code: 'UNAVAILABLE' });
  t.equal(ledger.limitBytes, 0);
});

t.test('reclaim needs a plugged zone', async (t) => {
  const { keeper, reserve } = setUp();
  const zone = reserve();
  await t.rejects(keeper.reclaim(zone.zoneId, container), { code: 'FAILED_PRECONDITION' });
});

t.test('a zone begins small, grows when it asks, and by larger steps', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve(10 * MIB);
  await keeper.plug({ zoneId });
  t.equal(guest.held.get(zoneId)?.sizeBytes, 10 * MIB);
  for (const wanted of [12, 20, 36]) {
    keeper.want(zoneId, wanted * MIB);
    await turn();
  }
  t.same(guest.calls.slice(1), ['resize 10 to 18', 'resize 18 to 34', 'resize 34 to 64']);
  t.match(ledger.zone(zoneId), { sizeBytes: 64 * MIB, committedBytes: 64 * MIB });
  keeper.want(zoneId, 64 * MIB);
  keeper.want(99, 64 * MIB);
  await turn();
  t.equal(guest.calls.length, 4, 'what it has is not asked for, nor for what is not there');
});

t.test('a zone that asks before its plug is known is answered after it', async (t) => {
  const { guest, keeper, reserve } = setUp();
  const { zoneId } = reserve(10 * MIB);
  const plugging = keeper.plug({ zoneId });
  keeper.want(zoneId, 12 * MIB);
  await plugging;
  await turn();
  t.same(guest.calls, ['plug', 'resize 10 to 18']);
});

t.test('a node that is short gives what it has, then says no', async (t) => {
  const { guest, ledger, keeper, reserve, node } = setUp();
  const { zoneId } = reserve(10 * MIB);
  await keeper.plug({ zoneId });
  node.spareBytes = 5 * MIB;
  node.committedBytes = 10 * MIB;
  keeper.want(zoneId, 20 * MIB);
  await turn();
  keeper.want(zoneId, 20 * MIB);
  await turn();
  t.same(guest.calls.slice(1), ['resize 10 to 14', 'resize 14 to 14'], 'the second means no');
  t.equal(ledger.committedBytes, 14 * MIB);
});

t.test('a growing zone is committed before the guest has answered', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve(10 * MIB);
  await keeper.plug({ zoneId });
  let answer = (_: DeviceReply) => {};
  guest.resize = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  keeper.want(zoneId, 12 * MIB);
  t.equal(ledger.committedBytes, 18 * MIB);
  await turn();
  answer({ ...EMPTY, sizeBytes: 14 * MIB });
  await turn();
  t.equal(ledger.committedBytes, 14 * MIB, 'the guest took less');
});

t.test('after a resize without an answer LIST tells the size', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve(10 * MIB);
  await keeper.plug({ zoneId });
  guest.resizeAnswers.push({ result: 'DISCONNECTED' });
  keeper.want(zoneId, 12 * MIB);
  await turn();
  t.match(ledger.zone(zoneId), { sizeBytes: 10 * MIB, committedBytes: 18 * MIB });
  const zone = guest.held.get(zoneId);
  if (zone) guest.held.set(zoneId, { ...zone, sizeBytes: 16 * MIB });
  await keeper.compare();
  t.match(ledger.zone(zoneId), { sizeBytes: 16 * MIB, committedBytes: 16 * MIB });
  t.ok(guest.held.has(zoneId), 'it is the same zone');
});

t.test('a guest that asks without end is answered at a bounded rate', async (t) => {
  const { guest, keeper, reserve, node } = setUp();
  const { zoneId } = reserve(10 * MIB);
  await keeper.plug({ zoneId });
  node.spareBytes = 0;
  node.committedBytes = 10 * MIB;
  for (let count = 0; count < 300; count += 1) {
    keeper.want(zoneId, 12 * MIB);
    await turn();
  }
  const answers = guest.calls.filter((call) => call.startsWith('resize')).length;
  t.ok(answers >= 16 && answers < 100, `${answers} answers to 300`);
  keeper.end();
});

t.test('a driver that can not grow zones gets all of the limit', async (t) => {
  const { guest, ledger, keeper, reserve, node } = setUp();
  guest.features = { report: true, resize: false, zombie: false };
  const first = reserve(10 * MIB);
  await keeper.plug(first);
  t.equal(guest.held.get(first.zoneId)?.sizeBytes, 64 * MIB);
  t.equal(ledger.committedBytes, 64 * MIB);
  const second = reserve(10 * MIB);
  node.spareBytes = 20 * MIB;
  node.committedBytes = ledger.committedBytes;
  await t.rejects(keeper.plug(second), { code: 'RESOURCE_EXHAUSTED' });
  t.equal(ledger.zones().length, 1);
});

t.test('a reclaim makes a zone smaller that is mostly free', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve();
  await keeper.plug({ zoneId });
  guest.bytes = 6 * MIB;
  guest.resizeAnswers.push({ returnedBytes: 2 * MIB });
  t.match(await keeper.reclaim(zoneId, container), {
    returnedBytes: 3 * MIB,
    sizeBytes: 16 * MIB,
    shrunkBytes: 48 * MIB,
  });
  t.same(guest.calls.slice(1), ['report', 'resize 64 to 16']);
  t.equal(ledger.committedBytes, 16 * MIB);
  guest.resizeAnswers.push({ result: 'BUSY', sizeBytes: 0 });
  guest.bytes = 0;
  t.match(await keeper.reclaim(zoneId, container), { sizeBytes: 16 * MIB, shrunkBytes: 0 });
  t.equal(ledger.zone(zoneId)?.sizeBytes, 16 * MIB);
});

t.test('a pinned zone becomes a zombie and comes back when the pin goes', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve();
  await keeper.plug({ zoneId });
  guest.bytes = 20 * MIB;
  guest.pins = [PIN, { ...PIN, addr: PIN.addr + 8192, reason: 99 }];
  let later: MemoryReturn | null = null;
  const first = await keeper.giveBack(zoneId, (result) => {
    later = result;
  });
  t.match(first, { residentBytes: 20 * MIB, returnedBytes: 20 * MIB - 8192, complete: false });
  t.match(ledger.zone(zoneId), {
    state: 'zombie',
    inUseBytes: 8192,
    committedBytes: 8192,
    pins: [
      { start: PIN.addr, sizeBytes: 4096, reason: 'reference', references: 2 },
      { reason: 'unknown' },
    ],
  });
  guest.pins = [PIN];
  keeper.released(zoneId);
  while (ledger.zone(zoneId)?.pins.length !== 1) await turn();
  t.match(ledger.zone(zoneId), { state: 'zombie', inUseBytes: 4096, committedBytes: 4096 });
  guest.pins = [];
  keeper.released(zoneId);
  while (later === null) await turn();
  t.match(later, { residentBytes: 20 * MIB, returnedBytes: 20 * MIB, complete: true });
  t.equal(ledger.limitBytes, 0, 'its addresses are free again');
});

t.test('a pin that goes at once makes no zombie', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const { zoneId } = reserve();
  await keeper.plug({ zoneId });
  guest.pins = [PIN];
  const giving = keeper.giveBack(zoneId, () => {});
  await turn();
  guest.pins = [];
  t.match(await giving, { complete: true });
  t.equal(ledger.limitBytes, 0);
});
