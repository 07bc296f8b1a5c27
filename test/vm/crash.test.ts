// SPDX-License-Identifier: Apache-2.0
// kill -9 of each process at a bad moment: the next command tells the truth, the
// host's memory is back, and no process or file is left behind. One that only hangs
// loses nothing.
import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { CzoneError } from '../../src/protocol/errors.js';
import { MIB } from '../../src/protocol/units.js';
import {
  CLI,
  leftovers,
  NodeUnderTest,
  processesNaming,
  SMALL_BYTES,
  shmemBytes,
  until,
} from './node-under-test.js';

/** Moments inside a place and a stop, ms after the call; what is hit differs, the outcome may not. */
const PLUG_MS = 30;
const STOP_MS = 30;
/** Longer than the waits for an answer that have a retry. */
const HUNG_MS = 5_000;
/** Shared memory of the machine that is not ours moves a little. */
const SHMEM_SLACK_BYTES = 8 * MIB;

t.setTimeout(30 * 60_000);

function placement(functionId = 'html') {
  return { tenantId: 'acme', functionId, memoryBytes: SMALL_BYTES };
}

/** The call's error, or null where it went well. */
async function outcome(call: Promise<unknown>): Promise<CzoneError | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof CzoneError) return error;
    throw error;
  }
}

async function answers(endpoint: string): Promise<boolean> {
  const response = await fetch(`${endpoint}/healthz`).catch(() => null);
  return response?.status === 200;
}

await t.test('QEMU is killed', async (t) => {
  const node = await NodeUnderTest.start();
  t.teardown(() => node.close());
  const { client } = node;

  for (const moment of ['idle', 'plug', 'stop'] as const) {
    await t.test(`at a bad moment: ${moment}`, async (t) => {
      const before = await shmemBytes();
      const container = await client.place(placement());
      const [sandbox] = await client.sandboxes();
      if (!sandbox) return t.fail('no sandbox is listed');
      let call: Promise<CzoneError | null> = Promise.resolve(null);
      if (moment === 'plug') call = outcome(client.place(placement()));
      if (moment === 'stop') call = outcome(client.stop(container.containerId));
      await delay(moment === 'plug' ? PLUG_MS : STOP_MS);
      process.kill(sandbox.vmmPid, 'SIGKILL');
      // A place under way either fails or goes on in another VM.
      const error = await call;
      if (error) t.match(error.code, /UNAVAILABLE|ABORTED/, error.message);
      await until('the sandbox is gone', async () =>
        (await client.sandboxes()).every(({ sandboxId }) => sandboxId !== sandbox.sandboxId),
      );
      for (const { sandboxId } of await client.sandboxes()) await client.deleteSandbox(sandboxId);
      const views = await client.containers({ includeExited: true });
      t.ok(
        views.every(({ state }) => state === 'EXITED'),
        'no container is said to run',
      );
      const view = views.find(({ containerId }) => containerId === container.containerId);
      t.match(view?.exit?.reason, moment === 'stop' ? /SANDBOX_LOST|STOPPED/ : /SANDBOX_LOST/);
      t.equal((await client.memory()).residentBytes, 0, 'the node holds no byte');
      await until(
        'the memory is back',
        async () => (await shmemBytes()) <= before + SHMEM_SLACK_BYTES,
      );
      t.same(await leftovers(`${node.runDir}/vms`), [], 'no file of the VM is left');
      t.same(await processesNaming(`${node.runDir}/vms`), [], 'no process of the VM is left');
      const next = await client.place(placement());
      t.ok(await answers(next.endpoint), 'the next place works');
      await client.deleteSandbox(next.sandboxId);
    });
  }
});

await t.test('the guest daemon is killed', async (t) => {
  const node = await NodeUnderTest.start();
  t.teardown(() => node.close());
  const { client } = node;
  const first = await client.place(placement());
  const kill = () => node.shell(first.sandboxId, 'kill -9 $(cat /run/czone/daemon.pid)');

  await t.test('while idle: its containers live on and can be stopped', async (t) => {
    await kill();
    t.ok(await answers(first.endpoint), 'the container still answers');
    await until(
      'the sandbox is ready again',
      async () => (await client.sandboxes())[0]?.state === 'READY',
    );
    const second = await client.place(placement('json'));
    t.equal(second.sandboxId, first.sandboxId);
    const ended = await client.stop(second.containerId);
    t.equal(ended.memoryReturn?.complete, true);
  });

  await t.test('during a place: the place fails or works, nothing is half there', async () => {
    const call = client.place(placement('json')).then(
      (view) => view,
      (error: unknown) => (error instanceof CzoneError ? error : Promise.reject(error)),
    );
    await delay(400);
    await kill();
    const result = await call;
    await until(
      'the sandbox is ready again',
      async () => (await client.sandboxes())[0]?.state === 'READY',
    );
    if (!(result instanceof CzoneError)) await client.stop(result.containerId);
    await until('only the first zone is left', async () => {
      const memory = await client.memory(first.sandboxId);
      return memory.sandboxes[0]?.zones.length === 1 && memory.sandboxes[0].strayBytes === 0;
    });
  });

  await t.test('during a stop: the stop ends, the zone comes back', async (t) => {
    const call = outcome(client.stop(first.containerId));
    await delay(STOP_MS);
    await kill();
    await call;
    await until(
      'the sandbox is ready again',
      async () => (await client.sandboxes())[0]?.state === 'READY',
    );
    const ended = await client.stop(first.containerId);
    t.equal(ended.state, 'EXITED');
    await until('no zone is left', async () => {
      const memory = await client.memory(first.sandboxId);
      const sandbox = memory.sandboxes[0];
      return sandbox?.zones.length === 0 && sandbox.strayBytes + sandbox.zonesResidentBytes === 0;
    });
  });
});

await t.test('the controller is killed', async (t) => {
  for (const moment of ['idle', 'plug', 'stop'] as const) {
    await t.test(`at a bad moment: ${moment}`, async (t) => {
      const before = await shmemBytes();
      const node = await NodeUnderTest.start();
      const container = await node.client.place(placement());
      let call: Promise<CzoneError | null> = Promise.resolve(null);
      if (moment === 'plug') call = outcome(node.client.place(placement()));
      if (moment === 'stop') call = outcome(node.client.stop(container.containerId));
      await delay(moment === 'plug' ? PLUG_MS : STOP_MS);
      node.process.kill('SIGKILL');
      await node.ended();
      const error = await call;
      if (moment === 'plug') t.equal(error?.code, 'UNAVAILABLE');
      node.client.close();

      const ps = spawnSync(process.execPath, [CLI, 'ps', '--json', '--run-dir', node.runDir], {
        encoding: 'utf8',
      });
      t.equal(ps.status, 6, 'the next command says that no node runs');
      t.match(ps.stdout + ps.stderr, /no node/i);
      await until(
        'no process is left',
        async () => (await processesNaming(node.runDir)).length === 0,
      );
      t.same(
        (await leftovers(node.runDir)).filter((name) => name !== 'logs'),
        [],
        'no file is left',
      );
      await until(
        'the memory is back',
        async () => (await shmemBytes()) <= before + SHMEM_SLACK_BYTES,
      );

      const again = await NodeUnderTest.start([], node.runDir);
      t.same(await again.client.containers(), [], 'a new node begins empty');
      await again.close();
      await rm(node.runDir, { recursive: true, force: true });
    });
  }
});

await t.test('a process hangs and goes on', async (t) => {
  const node = await NodeUnderTest.start();
  t.teardown(() => node.close());
  const { client } = node;
  const first = await client.place(placement());
  const [sandbox] = await client.sandboxes();
  if (!sandbox) return t.fail('no sandbox is listed');
  // The back-end of the device is a thread of the controller.
  const pids = { QEMU: sandbox.vmmPid, 'the controller': node.process.pid ?? 0 };

  for (const [name, pid] of Object.entries(pids)) {
    for (const moment of ['place', 'stop', 'reclaim'] as const) {
      await t.test(`${name}, in a ${moment}`, async (t) => {
        const other = moment === 'stop' ? await client.place(placement('json')) : null;
        const call =
          moment === 'place'
            ? client.place(placement('json'))
            : other
              ? client.stop(other.containerId)
              : client.reclaim({ containerId: first.containerId });
        await delay(PLUG_MS);
        process.kill(pid, 'SIGSTOP');
        await delay(HUNG_MS).finally(() => process.kill(pid, 'SIGCONT'));
        const result = await call;
        if ('state' in result && result.state !== 'EXITED') {
          t.ok(await answers(result.endpoint), 'what was placed answers');
          const ended = await client.stop(result.containerId);
          t.equal(ended.memoryReturn?.complete, true);
        } else if ('memoryReturn' in result) {
          t.equal(result.memoryReturn?.complete, true);
        }
        t.ok(await answers(first.endpoint), 'the container beside it still answers');
        const memory = await client.memory(first.sandboxId);
        t.equal(memory.sandboxes[0]?.zones.length, 1, 'its zone is the only one');
        t.equal(memory.sandboxes[0]?.strayBytes, 0, 'nothing is left outside of it');
      });
    }
  }
});
