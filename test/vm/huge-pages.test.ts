// SPDX-License-Identifier: Apache-2.0
// A node whose zones have pages of 2 MiB on the host: they are real, and all come back.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { hugeMappedBytes } from '../../src/host/vm/page-size.js';
import { BLOCK_BYTES, MIB } from '../../src/protocol/units.js';
import { NodeUnderTest } from './node-under-test.js';

t.setTimeout(10 * 60_000);

await t.test('zones get huge pages and give all of them back', async (t) => {
  const node = await NodeUnderTest.start(['--page-size', '2MiB']);
  t.teardown(() => node.close());
  const placed = await node.client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: 64 * MIB,
  });
  const memory = await node.client.memory();
  const [sandbox] = memory.sandboxes;
  const [zone] = sandbox?.zones ?? [];
  t.ok((zone?.residentBytes ?? 0) > 0);
  t.equal((zone?.residentBytes ?? 1) % BLOCK_BYTES, 0, 'counted by huge pages');
  const [view] = await node.client.sandboxes();
  const huge = hugeMappedBytes(readFileSync(`/proc/${view?.vmmPid}/smaps_rollup`, 'utf8'));
  t.ok(huge > 0, 'mapped as such');

  const stopped = await node.client.stop(placed.containerId);
  t.equal(stopped.memoryReturn?.returnedBytes, stopped.memoryReturn?.residentBytes);
  const after = (await node.client.memory()).sandboxes[0];
  t.equal((after?.residentBytes ?? 0) - (after?.bootResidentBytes ?? 0), 0, 'nothing is left');
});
