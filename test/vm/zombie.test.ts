// SPDX-License-Identifier: Apache-2.0
// A container ends while somebody outside holds pages of its zone that can't be moved:
// pages that it put into a pipe by reference. All else comes back at once, these when
// the pipe goes.
import t from 'tap';
import { KIB, MIB } from '../../src/protocol/units.js';
import { NodeUnderTest, SMALL_BYTES, until } from './node-under-test.js';

const PINNED_BYTES = 64 * KIB;
const PIPE_FD = 100;
const SPLICER = `
import os, http.server
with open('/tmp/held', 'wb') as file:
    file.write(os.urandom(${PINNED_BYTES}))
reading, writing = os.pipe()
file = os.open('/tmp/held', os.O_RDONLY)
left = ${PINNED_BYTES}
while left > 0:
    left -= os.splice(file, writing, left)
os.dup2(reading, ${PIPE_FD})
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))
`;

t.setTimeout(20 * 60_000);
const node = await NodeUnderTest.start();
t.teardown(() => node.close());
const { client } = node;

const pidOf = async (sandboxId: string, command: string): Promise<number> =>
  Number(/^(\d+)\s*$/m.exec(await node.shell(sandboxId, command))?.[1]);

await t.test('what a pipe outside holds comes back when the pipe goes', async (t) => {
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: SMALL_BYTES,
    command: ['/usr/bin/python3', '-c', SPLICER],
  });
  const { sandboxId, containerId, zoneId } = container;
  const zoneNow = async () =>
    (await client.memory(sandboxId)).sandboxes[0]?.zones.find((zone) => zone.zoneId === zoneId);
  // Nobody reads: it only keeps the pipe, from outside of the zone.
  const pipe = `/proc/${container.guestPid}/fd/${PIPE_FD}`;
  const holder = await pidOf(sandboxId, `sleep 100000 < ${pipe} & echo $!`);
  t.ok(holder > 1, `process ${holder} of the guest holds the pipe`);

  const resident = (await zoneNow())?.residentBytes ?? 0;
  t.ok(resident > 4 * MIB, 'the container has memory');
  const ended = await client.stop(containerId);
  t.equal(ended.state, 'EXITED', 'the container has ended all the same');
  t.equal(ended.memoryReturn?.complete, false);
  const zombie = await zoneNow();
  t.equal(zombie?.state, 'zombie');
  t.ok((zombie?.inUseBytes ?? 0) >= PINNED_BYTES, `${zombie?.inUseBytes} bytes are in use`);
  t.ok((zombie?.inUseBytes ?? MIB) < MIB, 'and not many more');
  t.ok(
    zombie?.pins.some(({ reason }) => reason === 'reference'),
    `the guest says why: ${JSON.stringify(zombie?.pins)}`,
  );
  // Beside the pinned pages only the memmap that describes them.
  t.ok((zombie?.residentBytes ?? MIB) < 2 * MIB, `${zombie?.residentBytes} bytes are kept`);
  t.ok(resident - (zombie?.residentBytes ?? 0) > resident / 2, 'the rest came back at once');
  const vm = (await client.sandboxes()).find((view) => view.sandboxId === sandboxId);
  t.match(vm?.zombies, [{ zoneId }], 'the VM names its zombie');

  await node.shell(sandboxId, `kill ${holder}`);
  await until('the zone is gone', async () => (await zoneNow()) === undefined);
  const views = await client.containers({ includeExited: true });
  const view = views.find((one) => one.containerId === containerId);
  t.equal(view?.memoryReturn?.complete, true, 'now all of it is back');
  t.equal(view?.memoryReturn?.returnedBytes, view?.memoryReturn?.residentBytes);
  t.equal((await client.memory(sandboxId)).sandboxes[0]?.strayBytes, 0);
});
