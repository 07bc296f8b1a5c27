// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
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
  returnedBytes: 0,
  ranges: 0,
  zones: [],
};

/** A guest and a memory file that do as the test says. */
class Pretended {
  ready = true;
  readonly held = new Map<number, ZoneRange>();
  /** Results of the next UNPLUGs; then OK. */
  readonly unplugResults: DeviceResult[] = [];
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
    const result = this.unplugResults.shift() ?? (this.held.has(zone.zoneId) ? 'OK' : 'NOENT');
    if (result === 'OK') {
      this.held.delete(zone.zoneId);
      this.bytes = 0;
    }
    return { ...EMPTY, result, pagesInUse: result === 'BUSY' ? 3 : 0 };
  }

  async list(): Promise<DeviceReply> {
    const zones = [...this.held.values()].map((zone) => ({
      zoneId: zone.zoneId,
      state: 1,
      addr: zone.start,
      sizeBytes: zone.sizeBytes,
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

function setUp() {
  const guest = new Pretended();
  const ledger = new Ledger({
    regionStart: 4 * GIB,
    regionBytes: 256 * MIB,
    maxZones: 100,
    fallowZoneIds: 4,
  });
  const keeper = new ZoneKeeper({
    ledger,
    device: () => guest as unknown as ZoneDevice,
    zoneBytes: () => guest.bytes,
    log: SILENT,
  });
  const reserve = () => {
    const zone = ledger.reserve(64 * MIB, container);
    if (zone === null) throw new Error('no room');
    return zone;
  };
  return { guest, ledger, keeper, reserve };
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
  t.equal(ledger.takenBytes, 0);
});

t.test('a busy zone is tried again', async (t) => {
  const { guest, ledger, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.unplugResults.push('BUSY', 'BUSY');
  t.match(await keeper.giveBack(zone.zoneId, () => {}), { complete: true });
  t.same(guest.calls, ['plug', 'unplug', 'unplug', 'unplug']);
  t.equal(ledger.takenBytes, 0);
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
  t.equal(ledger.takenBytes, 0);
});

t.test('a plug without an answer is unplugged, held or not', async (t) => {
  for (const plugsAnyway of [true, false]) {
    const { guest, ledger, keeper, reserve } = setUp();
    guest.plugResult = 'TIMEOUT';
    guest.plugsAnyway = plugsAnyway;
    guest.bytes = 4096;
    await t.rejects(keeper.plug(reserve()), { code: 'UNAVAILABLE' });
    while (ledger.takenBytes > 0) await new Promise((resolve) => setImmediate(resolve));
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
  t.equal(ledger.takenBytes, 0);
});

t.test('after a loss of contact unknown zones of the guest are taken away', async (t) => {
  const { guest, keeper, reserve } = setUp();
  const zone = reserve();
  await keeper.plug(zone);
  guest.held.set(77, { zoneId: 77, start: 4 * GIB + 128 * MIB, sizeBytes: 4 * MIB });
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
  t.equal(ledger.takenBytes, 0);
});

t.test('reclaim needs a plugged zone', async (t) => {
  const { keeper, reserve } = setUp();
  const zone = reserve();
  await t.rejects(keeper.reclaim(zone.zoneId, container), { code: 'FAILED_PRECONDITION' });
});
