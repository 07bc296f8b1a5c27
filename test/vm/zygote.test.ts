// SPDX-License-Identifier: Apache-2.0
// Zygotes on a real VM: a container that was forked is what crun would have made, shares
// nothing but memory that nobody has written, and leaves nothing behind.
import t, { type Test } from 'tap';
import type { ContainerView, SandboxView } from '../../src/host/controller-api.js';
import { MIB } from '../../src/protocol/units.js';
import { NodeUnderTest, SMALL_BYTES, until, WITH_ZYGOTES } from './node-under-test.js';

const ENVIRONMENT = [
  ['CZONE_TEST_ENDPOINTS', '1'],
  ['REQUEST_CONTEXT', 'of this one'],
] as const;

t.setTimeout(20 * 60_000);
const node = await NodeUnderTest.start([WITH_ZYGOTES]);
t.teardown(() => node.close());
const { client } = node;

const place = (startMode: 'AUTO' | 'CRUN' | 'ZYGOTE', functionId = 'html') =>
  client.place({
    tenantId: 'acme',
    functionId,
    memoryBytes: SMALL_BYTES,
    environment: ENVIRONMENT,
    startMode,
  });
const stop = (...views: ContainerView[]) =>
  Promise.all(views.map(({ containerId }) => client.stop(containerId)));

async function ask<Answer = Record<string, unknown>>(
  { endpoint }: ContainerView,
  path: string,
): Promise<Answer> {
  const response = await fetch(`${endpoint}/_test/${path}`, { method: 'POST' });
  if (!response.ok) throw new Error(`${path}: ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

async function sandbox(): Promise<SandboxView> {
  const [view] = await client.sandboxes();
  if (view === undefined) throw new Error('there is no VM');
  return view;
}

const zygoteOf = async (functionId = 'html') =>
  (await sandbox()).zygotes.find((zygote) => zygote.functionId === functionId) ?? null;

/** Without what must differ: ids, names, namespaces. */
function comparable(seen: Record<string, unknown>, { containerId }: ContainerView): unknown {
  const text = JSON.stringify(seen)
    .replaceAll(containerId, 'ID')
    .replace(/"namespaces":\{[^}]*\}/, '"namespaces":{}')
    .replace(/autogroup-\d+/, 'autogroup-N')
    // Told where it is not the default of the moment, which grows with every zone.
    .replace(/,nr_inodes=\d+/g, '');
  return JSON.parse(text);
}

let first: ContainerView;

await t.test('a container is forked from a zygote that is made for it', async (t) => {
  first = await place('CRUN');
  t.match(first, { startKind: 'COLD', zygoteId: null, startReason: 'it was asked for so' });
  const forked = await place('ZYGOTE');
  t.equal(forked.startKind, 'ZYGOTE');
  await stop(forked);
});

await t.test('the answer says how a container was started, and why', async (t) => {
  const forked = await place('AUTO');
  t.match(forked, { startKind: 'ZYGOTE', startReason: /zygote is ready/ });
  t.match(await zygoteOf(), { state: 'READY', children: 1, runtime: /^python 3/ });
  t.equal(forked.zygoteId, (await zygoteOf())?.zygoteId);
  const own = await client.place({
    tenantId: 'acme',
    functionId: 'html',
    memoryBytes: SMALL_BYTES,
    command: ['/usr/bin/python3', '/app/serve.py'],
  });
  t.match(own, { startKind: 'WARM_SANDBOX', startReason: /command of its own/ });
  await stop(forked, own);
});

await t.test('what a zygote has read and not mapped is given back', async (t) => {
  const forked = await place('ZYGOTE', 'json');
  const zygote = await zygoteOf('json');
  const unmappedBytes = async (): Promise<number> => {
    const path = `/sys/fs/cgroup/czone/${zygote?.zygoteId}/memory.stat`;
    const stat = await node.shell(forked.sandboxId, `cat ${path}`);
    const [file, mapped] = ['file', 'file_mapped'].map((name) =>
      Number(new RegExp(`^${name} (\\d+)`, 'm').exec(stat)?.[1]),
    );
    if (file === undefined || mapped === undefined || !(file > MIB && mapped > MIB)) {
      throw new Error(`no zygote has read so little: ${stat}`);
    }
    return file - mapped;
  };
  // Some 10 MiB otherwise.
  await until('its pages to be given back', async () => (await unmappedBytes()) < 4 * MIB, 20_000);
  t.ok((await unmappedBytes()) < 4 * MIB);
  await stop(forked);
  await client.stop(String(zygote?.zygoteId));
});

await t.test('conformance: it sees what a container of crun’s sees', async (t) => {
  const [crun, forked] = [await place('CRUN'), await place('ZYGOTE')];
  const [ofCrun, ofForked] = [await ask(crun, 'look'), await ask(forked, 'look')];
  const [expected, found] = [comparable(ofCrun, crun), comparable(ofForked, forked)] as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  for (const aspect of Object.keys(expected)) {
    t.strictSame(found[aspect], expected[aspect], aspect);
  }
  const namespaces = (seen: Record<string, unknown>) => seen.namespaces as Record<string, string>;
  for (const name of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts']) {
    t.not(namespaces(ofForked)[name], namespaces(ofCrun)[name], `its own ${name} namespace`);
  }
  t.equal(ofForked.hostname, forked.containerId);
  t.match(ofForked.environment, { REQUEST_CONTEXT: 'of this one' });
  await stop(crun, forked);
});

await t.test('its pages lie in its zone; what it shares is the zygote’s', async (t) => {
  const forked = await place('ZYGOTE');
  await ask(forked, 'allocate?mib=8');
  const zygote = await zygoteOf();
  const [process] = await client.inspect(forked.containerId);
  t.equal(process?.zoneId, forked.zoneId);
  t.ok((process?.anonymous.inZone ?? 0) >= (8 * MIB) / 4096);
  t.ok((process?.anonymous.outside ?? 0) > 500, 'it shares pages');
  const [ofZygote] = await client.inspect(zygote?.zygoteId ?? '');
  t.equal(ofZygote?.zoneId, zygote?.zoneId);
  t.equal(ofZygote?.anonymous.outside, 0);
  const ended = await client.stop(forked.containerId);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes, 'its own bytes');
  t.ok((ended.memoryReturn?.residentBytes ?? 0) < 16 * MIB, 'and no more');
});

await t.test('what it only reads stays shared', async (t) => {
  const forked = await place('ZYGOTE');
  t.equal((await fetch(forked.endpoint)).status, 200);
  const [process] = await client.inspect(forked.containerId);
  // 450 of its own; 1060 when objects count their references and holes are used again.
  t.ok((process?.anonymous.inZone ?? 0) < 700, `${process?.anonymous.inZone} pages of its own`);
  t.ok((process?.anonymous.outside ?? 0) > 2000, `${process?.anonymous.outside} pages shared`);
  await stop(forked);
});

await t.test('no two containers have random bytes, a UUID or a TLS key in common', async (t) => {
  const views = await Promise.all([place('ZYGOTE'), place('ZYGOTE'), place('ZYGOTE')]);
  const values = await Promise.all(
    views.map((view) => ask<Record<string, string>>(view, 'random')),
  );
  for (const generator of Object.keys(values[0] ?? {})) {
    const found = new Set(values.map((value) => value[generator]));
    t.equal(found.size, views.length, `${generator}: ${[...found].join(' ')}`);
  }
  await stop(...views);
});

await t.test('what one writes, no other sees', async (t) => {
  const [one, other] = [await place('ZYGOTE'), await place('ZYGOTE')];
  t.strictSame(await ask(one, 'mark?value=7'), { before: [] });
  t.strictSame(await ask(other, 'mark?value=8'), { before: [] });
  t.strictSame(await ask(await third(t), 'mark?value=9'), { before: [] });
  t.strictSame(await ask(one, 'mark?value=1'), { before: [7] });
  await stop(one, other);
});

async function third(t: Test): Promise<ContainerView> {
  const view = await place('ZYGOTE');
  t.teardown(() => client.stop(view.containerId));
  return view;
}

await t.test('a child reaches neither zygote nor siblings nor daemon', async (t) => {
  const [one, other] = [await place('ZYGOTE'), await place('ZYGOTE')];
  t.match(await ask(one, 'attack'), {
    signalled: [],
    zones: {},
    unixSockets: [],
    czoneDevice: 'ENOENT',
    parentMemory: 'ENOENT',
    cgroupFiles: /^E/,
    outsideRoot: true,
    above: true,
  });
  t.equal((await ask<{ before: number[] }>(other, 'mark?value=1')).before.length, 0);
  await stop(one, other);
});

await t.test('a child that exhausts its zone dies alone', async (t) => {
  const [hog, sibling] = [await place('ZYGOTE'), await place('ZYGOTE')];
  const { children = 0 } = (await zygoteOf()) ?? {};
  await ask(hog, 'allocate?mib=200').catch(() => {});
  await until('the hog is killed', async () =>
    (await client.containers({ includeExited: true })).some(
      ({ containerId, exit }) => containerId === hog.containerId && exit?.reason === 'OOM_KILLED',
    ),
  );
  t.equal((await ask<{ before: number[] }>(sibling, 'mark?value=1')).before.length, 0);
  t.match(await zygoteOf(), { state: 'READY', children: children - 1 });
  t.ok(await place('ZYGOTE').then((view) => stop(view)), 'and the zygote forks on');
  await stop(sibling);
});

await t.test('who makes sandboxes is killed: the next start has another', async (t) => {
  const { sandboxId } = await sandbox();
  const makers = async () => {
    const text = await node.shell(sandboxId, 'grep -lsx czone-sandbox /proc/[0-9]*/comm');
    return Array.from(text.matchAll(/\/proc\/(\d+)\/comm/g), ([, pid]) => String(pid));
  };
  const kill = (pids: readonly string[]) => node.shell(sandboxId, `kill -9 ${pids.join(' ')}`);
  const before = await makers();
  t.equal(before.length, 1, before.join(' '));
  await kill(before);
  await stop(await place('ZYGOTE'));

  const between = await makers();
  t.notSame(between, before);
  // By whatever moment of the start this hits.
  const hit = place('AUTO');
  await kill(between);
  t.match(await hit, { state: 'RUNNING' });
  await stop(await hit, await place('ZYGOTE'));
  t.equal((await makers()).length, 1, 'one, and no zombie');
});

await t.test('a zygote that ends first drains until its last child has ended', async (t) => {
  const child = await place('ZYGOTE');
  const zygote = await zygoteOf();
  if (zygote === null) throw new Error('there is no zygote');
  await client.stop(zygote.zygoteId);
  t.match(await zygoteOf(), { state: 'DRAINING', children: 1, reason: 'it was stopped' });
  t.equal((await fetch(`${child.endpoint}/?rows=3`)).status, 200, 'the child works on');
  const ended = await client.stop(child.containerId);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
  await until('the zygote’s zone is back', async () => {
    const zones = (await client.memory()).sandboxes[0]?.zones ?? [];
    return !zones.some(({ zoneId }) => zoneId === zygote.zoneId);
  });
  t.equal(await zygoteOf(), null);
  t.equal((await client.memory()).sandboxes[0]?.strayBytes, 0);
});

await t.test('when the daemon dies, zygote and children are taken over', async (t) => {
  const child = await place('ZYGOTE');
  const { sandboxId } = child;
  await ask(child, 'mark?value=5');
  await node.shell(sandboxId, 'kill -9 $(cat /run/czone/daemon.pid)');
  await until('the daemon is back', async () => (await sandbox()).state === 'RECOVERING').catch(
    () => {},
  );
  await until('the daemon is back', async () => (await sandbox()).state === 'READY');
  t.strictSame(await ask(child, 'mark?value=6'), { before: [5] });
  const next = await place('ZYGOTE');
  t.equal(next.zygoteId, child.zygoteId, 'the same zygote forks on');
  const ended = await stop(next, child);
  for (const { memoryReturn } of ended) {
    t.equal(memoryReturn?.returnedBytes, memoryReturn?.residentBytes);
  }
});

await t.test('Node.js stays on crun, with the reason', async (t) => {
  const view = await place('AUTO', 'node-json');
  t.match(view, { startKind: 'WARM_SANDBOX', startReason: /threads/ });
  await stop(view);
  await t.rejects(place('ZYGOTE', 'node-json'), {
    code: 'FAILED_PRECONDITION',
    message: /threads/,
  });
});

await t.test('nothing is left when all have ended', async (t) => {
  const zygote = await zygoteOf();
  if (zygote !== null) await client.stop(zygote.zygoteId);
  await stop(first);
  const { zones = [], strayBytes } = (await client.memory()).sandboxes[0] ?? {};
  t.strictSame(zones, []);
  t.equal(strayBytes, 0);
});
