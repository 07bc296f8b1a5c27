// SPDX-License-Identifier: Apache-2.0
// What one running node must do, all on one booted VM where it can be.
import t from 'tap';
import { MIB } from '../../src/protocol/units.js';
import { NodeUnderTest, SMALL_BYTES, until } from './node-under-test.js';

const TEST_ENV = [['CZONE_TEST_ENDPOINTS', '1']] as const;

const PYTHON = '/usr/bin/python3';
/** What a container that runs, or the memmap of its zone, may touch between two counts. */
const TOUCHED_BYTES = 128 * 1024;
const SERVE = `
import os, http.server
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))
`;
const FAMILY = `
import os, sys, time
if os.fork() == 0:
    held = bytearray(4 << 20)
    time.sleep(1000)
if os.fork() == 0:
    os.execv('${PYTHON}', ['${PYTHON}', '-c', 'import time; held = bytearray(4 << 20); time.sleep(1000)'])
${SERVE}`;
const TALKER = `
import os
os.write(1, b'to-stdout\\n')
os.write(2, b'to-stderr\\n')
${SERVE}`;

t.setTimeout(20 * 60_000);
const node = await NodeUnderTest.start();
t.teardown(() => node.close());
const { client } = node;

const place = (functionId: string, tenantId = 'acme') =>
  client.place({ tenantId, functionId, memoryBytes: SMALL_BYTES, environment: TEST_ENV });

async function text(endpoint: string, path: string, init?: RequestInit): Promise<string> {
  const response = await fetch(`${endpoint}${path}`, init);
  if (!response.ok) throw new Error(`${path}: status ${response.status}: ${await response.text()}`);
  return response.text();
}

await t.test('pages of a container lie in its zone, file text does not', async (t) => {
  const first = await place('html');
  const second = await place('html');
  t.equal(first.sandboxId, second.sandboxId, 'one tenant has one VM');
  t.not(first.zoneId, second.zoneId);
  t.equal((await text(first.endpoint, '/healthz')).trim(), 'ok');
  const [ofFirst, ofSecond] = await Promise.all([
    client.inspect(first.containerId),
    client.inspect(second.containerId),
  ]);
  for (const [container, processes] of [
    [first, ofFirst],
    [second, ofSecond],
  ] as const) {
    t.ok(processes.length >= 1, 'it has a process');
    for (const process of processes) {
      t.equal(process.zoneId, container.zoneId, `${process.name} lives in the zone`);
      t.ok(process.anonymous.inZone > 100, `${process.name} has pages in the zone`);
      t.equal(process.anonymous.outside, 0, `${process.name} has no anonymous page elsewhere`);
      t.equal(process.text.inZone, 0, `no text of ${process.name} lies in the zone`);
      t.ok(process.text.outside > 0, `text of ${process.name} lies outside`);
    }
  }
  const frames = new Set(ofFirst.flatMap((process) => process.textFrames));
  const others = ofSecond.flatMap((process) => process.textFrames);
  const shared = others.filter((frame) => frames.has(frame)).length;
  t.ok(shared > others.length / 2, `${shared} of ${others.length} pages of text are the same ones`);
  await Promise.all([client.stop(first.containerId), client.stop(second.containerId)]);
});

await t.test('children of a container and what it executes live in its zone', async (t) => {
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: SMALL_BYTES,
    // A child that only forks, and one that executes, beside the server.
    command: [PYTHON, '-c', FAMILY],
  });
  const processes = await client.inspect(container.containerId);
  t.ok(processes.length >= 3, `${processes.length} processes`);
  for (const process of processes) {
    t.equal(process.zoneId, container.zoneId, `${process.name} lives in the zone`);
    t.equal(process.anonymous.outside, 0, `${process.name} has no anonymous page elsewhere`);
  }
  const ended = await client.stop(container.containerId);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
});

await t.test('a stopped container returns all of its zone', async (t) => {
  const container = await place('json');
  await text(container.endpoint, '/_test/allocate?mib=16', { method: 'POST' });
  const before = await client.memory(container.sandboxId);
  const zone = before.sandboxes[0]?.zones.find(({ zoneId }) => zoneId === container.zoneId);
  t.ok((zone?.residentBytes ?? 0) > 16 * MIB, 'the host counts what it allocated');
  const ended = await client.stop(container.containerId);
  t.equal(ended.state, 'EXITED');
  t.equal(ended.exit?.reason, 'STOPPED');
  t.ok((ended.memoryReturn?.residentBytes ?? 0) > 16 * MIB);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
  t.equal(ended.memoryReturn?.complete, true);
  const after = await client.memory(container.sandboxId);
  t.equal(after.sandboxes[0]?.strayBytes, 0, 'no byte outside a zone');
  const again = await client.stop(container.containerId);
  t.equal(again.state, 'EXITED', 'stopping again succeeds');
});

await t.test('what an idle container freed comes back, running and paused', async (t) => {
  const container = await place('html');
  const bytes = async () =>
    (await client.memory(container.sandboxId)).sandboxes[0]?.zones.find(
      ({ zoneId }) => zoneId === container.zoneId,
    )?.residentBytes ?? 0;
  for (const paused of [false, true]) {
    await text(container.endpoint, '/_test/allocate?mib=20', { method: 'POST' });
    await text(container.endpoint, '/_test/free', { method: 'POST' });
    const held = await bytes();
    t.ok(held > 20 * MIB, 'freed pages stay with the guest');
    if (paused) await client.pause(container.containerId);
    const reclaimed = await client.reclaim({ containerId: container.containerId });
    t.ok(reclaimed.returnedBytes >= 19 * MIB, `${reclaimed.returnedBytes} bytes came back`);
    const off = (await bytes()) - (held - reclaimed.returnedBytes);
    t.ok(Math.abs(off) <= TOUCHED_BYTES, `counted on the host, but for ${off} bytes`);
    if (paused) await client.resume(container.containerId);
    t.equal((await text(container.endpoint, '/healthz')).trim(), 'ok', 'it still answers');
  }
  await client.stop(container.containerId);
});

await t.test('a container that overruns its zone dies alone', async (t) => {
  const neighbour = await place('html');
  const hog = await place('json');
  await fetch(`${hog.endpoint}/_test/allocate?mib=200`, { method: 'POST' }).catch(() => null);
  await until('the hog has ended', async () => {
    const views = await client.containers({ includeExited: true });
    const view = views.find(({ containerId }) => containerId === hog.containerId);
    return view?.state === 'EXITED' && view.memoryReturn !== null;
  });
  const views = await client.containers({ includeExited: true });
  const ended = views.find(({ containerId }) => containerId === hog.containerId);
  t.equal(ended?.exit?.reason, 'OOM_KILLED');
  t.equal(ended?.memoryReturn?.returnedBytes, ended?.memoryReturn?.residentBytes);
  t.equal((await text(neighbour.endpoint, '/healthz')).trim(), 'ok');
  await client.stop(neighbour.containerId);
});

await t.test('what a container wrote can be read after it ended', async (t) => {
  const container = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: SMALL_BYTES,
    command: [PYTHON, '-c', TALKER],
  });
  await client.stop(container.containerId);
  let log = '';
  for await (const chunk of client.logs(container.containerId))
    log += Buffer.from(chunk).toString();
  t.match(log, /to-stdout/);
  t.match(log, /to-stderr/);
});

await t.test('two tenants never share a VM', async (t) => {
  const ours = await place('html', 'acme');
  const theirs = await place('html', 'globex');
  t.not(ours.sandboxId, theirs.sandboxId);
  t.equal(theirs.startKind, 'COLD');
  await client.stop(ours.containerId);
  const { returnedBytes } = await client.deleteSandbox(theirs.sandboxId);
  t.ok(returnedBytes > 0);
  const views = await client.containers({ includeExited: true });
  const lost = views.find(({ containerId }) => containerId === theirs.containerId);
  t.equal(lost?.state, 'EXITED');
  t.equal(lost?.exit?.reason, 'SANDBOX_LOST');
});
