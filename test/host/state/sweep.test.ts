// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { claimRunDir } from '../../../src/host/state/node-claim.js';
import { parseStartTime, processTable } from '../../../src/host/state/processes.js';
import { type NodeRecord, writeRecord } from '../../../src/host/state/records.js';
import { runDirPaths } from '../../../src/host/state/run-dir.js';
import { sweep } from '../../../src/host/state/sweep.js';

const VM = 'vm-00000001';

async function runDir(t: Test): Promise<string> {
  const directory = await fs.mkdtemp(join(tmpdir(), 'czone-run-'));
  t.teardown(() => fs.rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A process that looks like a QEMU: its command line has the uuid. */
async function pretendQemu(t: Test, uuid: string): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', '-uuid', uuid]);
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.once('spawn', resolve));
  if (child.pid === undefined) throw new Error('no pid');
  return child as ChildProcess & { pid: number };
}

async function deadNode(directory: string, fields: Partial<NodeRecord> = {}): Promise<void> {
  await writeRecord(runDirPaths(directory).nodeRecord, {
    version: 1,
    nodeId: 'node-00000000',
    pid: 2 ** 22 - 1,
    startTime: '1',
    bootId: await processTable().bootId(),
    socketPath: join(directory, 'node.sock'),
    startedAt: new Date(0).toISOString(),
    ...fields,
  });
}

async function vmRecord(directory: string, uuid: string, child: { pid: number } | null) {
  await fs.mkdir(join(directory, 'vms', VM), { recursive: true });
  await writeRecord(join(directory, 'vms', VM, 'vm.json'), {
    version: 1,
    sandboxId: VM,
    tenantId: 'acme',
    uuid,
    pid: child?.pid ?? null,
    startTime: child === null ? null : await processTable().startTime(child.pid),
  });
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

t.test('a dead node: its QEMU is ended and its files are removed', async (t) => {
  const directory = await runDir(t);
  const uuid = randomUUID();
  const qemu = await pretendQemu(t, uuid);
  await deadNode(directory);
  await vmRecord(directory, uuid, qemu);
  await fs.mkdir(join(directory, 'logs'));
  await fs.writeFile(join(directory, 'logs', 'c-000000000001.log'), 'x');
  await fs.writeFile(join(directory, 'logs', 'mine.txt'), 'keep');
  const gone = ended(qemu);
  const report = await sweep(directory);
  await gone;
  t.match(report, { alive: null, killedPids: [qemu.pid], removedVms: [VM], found: true });
  t.same(await fs.readdir(directory), ['logs']);
  t.same(await fs.readdir(join(directory, 'logs')), ['mine.txt'], 'only our own files go');
  t.equal((await sweep(directory)).found, false, 'nothing is left for a second time');
});

t.test('a QEMU whose pid was not yet written is found by its uuid', async (t) => {
  const directory = await runDir(t);
  const uuid = randomUUID();
  const qemu = await pretendQemu(t, uuid);
  await deadNode(directory);
  await vmRecord(directory, uuid, null);
  const gone = ended(qemu);
  t.same((await sweep(directory)).killedPids, [qemu.pid]);
  await gone;
});

t.test('a process that is not proven ours is left alone', async (t) => {
  const directory = await runDir(t);
  const other = await pretendQemu(t, randomUUID());
  await deadNode(directory);
  await vmRecord(directory, randomUUID(), other);
  t.same((await sweep(directory)).killedPids, []);
  t.equal(other.exitCode, null);
  t.equal(other.signalCode, null, 'it lives');
});

t.test('a pid that was given to another process since is no living node', async (t) => {
  const directory = await runDir(t);
  await deadNode(directory, { pid: process.ppid, startTime: '1' });
  t.match(await sweep(directory), { alive: null, found: true });
});

t.test('a living node is left alone, and a second one is refused with its pid', async (t) => {
  const directory = await runDir(t);
  const claim = await claimRunDir(directory, join(directory, 'node.sock'));
  await vmRecord(directory, randomUUID(), null);
  t.match(await sweep(directory), { alive: { pid: process.pid }, found: false });
  t.same(await fs.readdir(join(directory, 'vms')), [VM]);
  await t.rejects(claimRunDir(directory, join(directory, 'node.sock')), {
    code: 'FAILED_PRECONDITION',
    message: new RegExp(`pid ${process.pid}`),
  });
  await fs.rm(join(directory, 'vms', VM), { recursive: true });
  await claim.release();
  t.same(await fs.readdir(directory), [], 'nothing is left after the release');
  const own = join(directory, 'own');
  await (await claimRunDir(own, join(own, 'node.sock'))).release();
  t.same(await fs.readdir(directory), [], 'a directory that the node made goes with it');
});

t.test(
  'a record of another version is refused with the way out, and nothing touched',
  async (t) => {
    const directory = await runDir(t);
    await fs.writeFile(join(directory, 'node.json'), '{"version":2}');
    await t.rejects(sweep(directory), { code: 'FAILED_PRECONDITION', message: /version is 2/ });
    t.same(await fs.readdir(directory), ['node.json']);
  },
);

t.test('a stale socket is removed, a file in its place is not', async (t) => {
  const directory = await runDir(t);
  const socketPath = join(directory, 'api.sock');
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(join(directory, 'node.sock'), resolve));
  await fs.writeFile(socketPath, 'a file');
  await deadNode(directory, { socketPath });
  await sweep(directory);
  server.close();
  t.same(await fs.readdir(directory), ['api.sock']);
});

t.test('the start time stands behind any process name', async (t) => {
  const rest = 'S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20';
  t.equal(parseStartTime(`12 (a) b (c) ${rest}`), '4711');
  t.equal(parseStartTime(`12 (a) ${rest.replace('S', 'Z')}`), null, 'a zombie is gone');
});
