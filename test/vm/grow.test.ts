// SPDX-License-Identifier: Apache-2.0
// A container begins with a small zone, which grows as it takes memory, shrinks when
// that was given back, and comes back whole at its end.
import t from 'tap';
import { MIB } from '../../src/protocol/units.js';
import { NodeUnderTest, until } from './node-under-test.js';

const MEMORY_BYTES = 128 * MIB;
const TAKEN_MIB = 72;

/** Answers with how many bytes of files it has just read. */
const READER = `
import os, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count = 0
        for where, _, names in os.walk(os.path.dirname(os.__file__)):
            for name in names:
                with open(os.path.join(where, name), 'rb') as file:
                    count += len(file.read())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(count).encode())
http.server.test(Handler, port=int(os.environ['PORT']))
`;

t.setTimeout(20 * 60_000);
const node = await NodeUnderTest.start(['--initial-memory', '8MiB']);
t.teardown(() => node.close());
const { client } = node;

await t.test('a zone follows what its container takes and gives back', async (t) => {
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: MEMORY_BYTES,
    environment: [['CZONE_TEST_ENDPOINTS', '1']],
  });
  const { sandboxId, containerId, zoneId, endpoint } = container;
  const zoneNow = async () => {
    const zones = (await client.memory(sandboxId)).sandboxes[0]?.zones ?? [];
    const zone = zones.find((one) => one.zoneId === zoneId);
    if (zone === undefined) throw new Error(`zone ${zoneId} is gone`);
    return zone;
  };
  const post = async (path: string) => {
    const response = await fetch(`${endpoint}${path}`, { method: 'POST' });
    t.equal(response.status, 200, path);
  };
  const started = await zoneNow();
  t.ok(started.limitBytes > MEMORY_BYTES, 'its limit is what it was promised');
  t.ok(started.rangeBytes <= 48 * MIB, `it runs in ${started.rangeBytes / MIB} MiB`);

  await post(`/_test/allocate?mib=${TAKEN_MIB}`);
  const grown = await zoneNow();
  t.ok(grown.rangeBytes >= started.rangeBytes + 32 * MIB, `grown to ${grown.rangeBytes / MIB} MiB`);
  t.ok(grown.residentBytes >= TAKEN_MIB * MIB, 'the host counts what it took');
  const processes = await client.inspect(containerId);
  for (const process of processes) {
    t.equal(process.anonymous.outside, 0, `all of ${process.name} lies in the zone`);
  }

  await post('/_test/free');
  const reclaimed = await client.reclaim({ containerId });
  t.ok(reclaimed.returnedBytes > (TAKEN_MIB - 2) * MIB, `${reclaimed.returnedBytes} came back`);
  t.ok((reclaimed.zones[0]?.shrunkBytes ?? 0) >= 16 * MIB, 'the zone is smaller');
  const shrunk = await zoneNow();
  t.equal(shrunk.rangeBytes, reclaimed.zones[0]?.sizeBytes);
  t.ok(shrunk.residentBytes < 48 * MIB, `${shrunk.residentBytes} bytes are left on the host`);

  await post(`/_test/allocate?mib=${TAKEN_MIB}`);
  t.ok((await zoneNow()).rangeBytes > shrunk.rangeBytes, 'it grows again');
  const ended = await client.stop(containerId);
  t.equal(ended.memoryReturn?.complete, true);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
  const after = (await client.memory(sandboxId)).sandboxes[0];
  t.equal(after?.strayBytes, 0);
  t.equal(after?.pluggedBytes, 0);
});

await t.test('size and limit are known again after the device was lost', async (t) => {
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: MEMORY_BYTES,
    environment: [['CZONE_TEST_ENDPOINTS', '1']],
  });
  const { sandboxId, containerId, endpoint } = container;
  const allocate = (mib: number) =>
    fetch(`${endpoint}/_test/allocate?mib=${mib}`, { method: 'POST' });
  const viewNow = async () =>
    (await client.containers()).find((view) => view.containerId === containerId);
  const stateNow = async () =>
    (await client.sandboxes()).find((view) => view.sandboxId === sandboxId)?.state;
  t.equal((await allocate(20)).status, 200);
  const before = await viewNow();
  await node.shell(
    sandboxId,
    'cd /sys/bus/virtio/drivers/virtio_czone && for d in virtio*; do echo $d > unbind; done',
  );
  // It may be back before anybody sees it in the VM's state.
  await until('the device is missed', () => node.output.includes('VM is recovering'));
  await until('the VM is ready again', async () => (await stateNow()) === 'READY');
  t.match(await viewNow(), { rangeBytes: before?.rangeBytes, limitBytes: before?.limitBytes });
  t.equal((await allocate(40)).status, 200);
  const grown = (await viewNow())?.rangeBytes ?? 0;
  t.ok(grown > (before?.rangeBytes ?? 0), `it grows as before, to ${grown / MIB} MiB`);
  const ended = await client.stop(containerId);
  t.equal(ended.memoryReturn?.complete, true);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
});

await t.test('cold memory of a container is taken, running and paused', async (t) => {
  // An image that nobody has read yet: its pages are charged to who reads them first.
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'compress',
    memoryBytes: MEMORY_BYTES,
    command: ['/usr/bin/python3', '-c', READER],
  });
  const { containerId, endpoint } = container;
  for (const paused of [false, true]) {
    const read = Number(await (await fetch(endpoint)).text());
    t.ok(read > 4 * MIB, `it has read ${read} bytes of files`);
    if (paused) await client.pause(containerId);
    const { zones } = await client.reclaim({ containerId }, { coldBytes: 64 * MIB });
    t.ok((zones[0]?.coldBytes ?? 0) > 2 * MIB, `${zones[0]?.coldBytes} bytes were cold`);
    t.equal(zones[0]?.swappedBytes, 0, 'there is no swap');
    if (paused) await client.resume(containerId);
  }
  t.equal((await fetch(endpoint)).status, 200, 'it still answers');
  await client.stop(containerId);
});
