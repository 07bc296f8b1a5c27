// SPDX-License-Identifier: Apache-2.0
// The controller alone, without node API and command line: one container from its
// place to the last byte of its zone. The first test to look at when others fail.
import { readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { createController } from '../../src/host/controller.js';
import type { PlaceRequest } from '../../src/host/controller-api.js';
import { loadHostAddon } from '../../src/host/device/addon.js';
import type { FunctionId, TenantId } from '../../src/protocol/ids.js';
import { KIB, MIB } from '../../src/protocol/units.js';

t.setTimeout(10 * 60_000);

const request: PlaceRequest = {
  requestId: 'one',
  tenantId: 'acme' as TenantId,
  functionId: 'html' as FunctionId,
  image: null,
  command: null,
  environment: [],
  memoryBytes: 48 * MIB,
  cpuMillis: 0,
  labels: [],
  readyTimeoutMs: 0,
  initialMemoryBytes: 0,
  startMode: 'CRUN',
};

/** Of files that it has mapped, what no other process has mapped, too. */
function ownProgramBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Clean:\s+(\d+) kB$/m.exec(rollup)?.[1]) * KIB;
}

await t.test('place, ask, pause, reclaim, resume, stop', async (t) => {
  const parent = await fs.mkdtemp(join(tmpdir(), 'czone-smoke-'));
  t.teardown(() => fs.rm(parent, { recursive: true, force: true }));
  const runDir = join(parent, 'run');
  const native = loadHostAddon();
  let trims = 0;
  const pagedOut: { pid: number; errno: number; leftBytes: number }[] = [];
  const addon = {
    ...native,
    trimHeap: () => {
      trims += 1;
      native.trimHeap();
    },
    pageOutProgram: (pid: number) => {
      const errno = native.pageOutProgram(pid);
      pagedOut.push({ pid, errno, leftBytes: ownProgramBytes(pid) });
      return errno;
    },
  };
  const controller = await createController({ runDir }, { version: 'test', addon });
  t.teardown(() => controller.close());
  const { signal } = new AbortController();

  const [first, repeated] = await Promise.all([
    controller.place(request, signal),
    controller.place(request, signal),
  ]);
  t.equal(repeated.containerId, first.containerId, 'a repeated request places nothing');
  t.equal(controller.containers().length, 1);
  t.equal(first.startKind, 'COLD');
  const stages = first.stages.map(({ name }) => name).join(' ');
  t.equal(stages, 'vm image plug network cgroup spawn create ready');
  const { containerId, sandboxId } = first;

  await delay(3_500);
  const trimsOfStart = trims;
  t.ok(trimsOfStart > 0, 'what the start has left of the heap is given back');
  const vmmPid = controller.sandboxes()[0]?.vmmPid;
  t.match(
    pagedOut,
    [
      { pid: process.pid, errno: 0 },
      { pid: vmmPid, errno: 0 },
    ],
    'and what it has left of the programs',
  );
  // 25 MiB before.
  t.ok((pagedOut[1]?.leftBytes ?? Infinity) < 8 * MIB, `${pagedOut[1]?.leftBytes} bytes are left`);

  const response = await fetch(`${first.endpoint}/?rows=3`);
  t.equal(response.status, 200);
  t.match(await response.text(), /<html/);

  t.equal((await controller.pause(containerId)).state, 'PAUSED');
  const reclaimed = await controller.reclaim({ containerId }, { coldBytes: 0 });
  t.ok(reclaimed.returnedBytes >= 0 && reclaimed.zones.length === 1);
  t.equal((await controller.resume(containerId)).state, 'RUNNING');

  const before = controller.memory(sandboxId).sandboxes[0];
  t.equal(before?.strayBytes, 0, 'nothing of the region is allocated outside the zone');
  const resident = before?.zones[0]?.residentBytes ?? 0;
  t.ok(resident > MIB, 'the container has pages in its zone');

  const ended = await controller.stop(containerId, 2_000);
  t.equal(ended.state, 'EXITED');
  t.equal(ended.exit?.reason, 'STOPPED');
  t.equal(ended.memoryReturn?.complete, true);
  t.equal(ended.memoryReturn?.returnedBytes, ended.memoryReturn?.residentBytes);
  const after = controller.memory(sandboxId).sandboxes[0];
  t.equal(after?.zones.length, 0);
  t.equal((after?.zonesResidentBytes ?? 1) + (after?.strayBytes ?? 1), 0, 'the region is empty');
  t.equal((await controller.stop(containerId, 0)).state, 'EXITED', 'stop can be repeated');
  await t.rejects(controller.pause(containerId), { code: 'FAILED_PRECONDITION' });

  await delay(3_500);
  t.ok(trims > trimsOfStart, 'and what the end has left');

  const { returnedBytes } = await controller.deleteSandbox(sandboxId);
  t.ok(returnedBytes > MIB);
  t.same(controller.sandboxes(), []);
  await controller.close();
  t.same(await fs.readdir(parent), [], 'the node leaves no file');
});
