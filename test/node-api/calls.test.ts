// SPDX-License-Identifier: Apache-2.0
// Each call of the node API, over a real socket.
import t from 'tap';
import type { NodeClient } from '../../src/node-api/client.js';
import { MIB } from '../../src/protocol/units.js';
import { serve } from './serve.js';

const HTML = { tenantId: 'acme', functionId: 'html', memoryBytes: 64 * MIB };

t.test('a placement reaches the controller whole and its view comes back whole', async (t) => {
  const { client, controller } = await serve(t);
  const view = await client.place({
    ...HTML,
    image: '/images/html',
    command: ['python3', '-m', 'app'],
    environment: [['MODE', 'fast']],
    cpuMillis: 500,
    labels: [{ key: 'team', value: 'web' }],
    readyTimeoutMs: 9_000,
    initialMemoryBytes: 16 * MIB,
    startMode: 'AUTO',
    requestId: 'r-1',
  });
  t.strictSame(controller.calls[0], {
    method: 'place',
    args: [
      {
        requestId: 'r-1',
        ...HTML,
        image: '/images/html',
        command: ['python3', '-m', 'app'],
        environment: [['MODE', 'fast']],
        cpuMillis: 500,
        labels: [{ key: 'team', value: 'web' }],
        readyTimeoutMs: 9_000,
        startMode: 'AUTO',
        initialMemoryBytes: 16 * MIB,
      },
    ],
  });
  t.strictSame(view, controller.containers()[0]);
});

t.test('what is left out of a placement is absent, not empty', async (t) => {
  const { client, controller } = await serve(t);
  await client.place(HTML);
  const request = controller.calls[0]?.args[0] as Record<string, unknown>;
  t.equal(request.image, null);
  t.equal(request.command, null);
  t.strictSame(request.environment, []);
  t.equal(request.readyTimeoutMs, 0);
  t.match(request.requestId, /^[0-9a-f-]{36}$/, 'the client makes a request id');
});

t.test('a stopped container tells its exit and what memory came back', async (t) => {
  const { client, controller } = await serve(t);
  const { containerId } = controller.add();
  const view = await client.stop(containerId, 1_500);
  t.strictSame(view, controller.containers()[0]);
  t.strictSame(view.exit, { reason: 'STOPPED', exitCode: 0, signal: 15 });
  t.equal(view.memoryReturn?.returnedBytes, 20 * MIB);
  t.strictSame(controller.calls[0]?.args, [containerId, 1_500]);
  t.equal((await client.stop(containerId)).state, 'EXITED', 'stopping twice succeeds');
});

t.test('pause, resume and inspect', async (t) => {
  const { client, controller } = await serve(t);
  const { containerId } = controller.add();
  t.equal((await client.pause(containerId)).state, 'PAUSED');
  t.equal((await client.resume(containerId)).state, 'RUNNING');
  const processes = await client.inspect(containerId);
  t.equal(processes[0]?.anonymous.inZone, 1_500);
  t.strictSame(processes[0]?.textFrames, [0x1000, 0x1001]);
});

t.test('lists are filtered by tenant, sandbox and exit', async (t) => {
  const { client, controller } = await serve(t);
  const a = controller.add();
  const b = await client.place({ ...HTML, tenantId: 'globex' });
  await client.stop(a.containerId);
  const ids = async (filter: Parameters<NodeClient['containers']>[0]) =>
    (await client.containers(filter)).map((view) => view.containerId);
  t.strictSame(await ids({}), [b.containerId]);
  t.strictSame(await ids({ includeExited: true }), [a.containerId, b.containerId]);
  t.strictSame(await ids({ tenantId: 'acme', includeExited: true }), [a.containerId]);
  t.strictSame(await ids({ sandboxId: b.sandboxId }), [b.containerId]);
  t.strictSame(await ids({ tenantId: 'nobody' }), []);
});

t.test('sandboxes, memory, reclaim and info come back as the controller gave them', async (t) => {
  const { client, controller } = await serve(t);
  const view = controller.add();
  t.strictSame(await client.sandboxes(), controller.sandboxes());
  t.strictSame(await client.memory(), controller.memory(null));
  t.strictSame(await client.memory(view.sandboxId), controller.memory(view.sandboxId));
  t.strictSame(await client.info(), controller.info());
  for (const coldBytes of [0, 3 * MIB]) {
    t.strictSame(
      await client.reclaim(null, { coldBytes }),
      await controller.reclaim(null, { coldBytes }),
    );
  }
  await t.rejects(client.reclaim(null, { coldBytes: 100 }), {
    code: 'INVALID_ARGUMENT',
    message: /cold_bytes/,
  });
  for (const scope of [{ containerId: view.containerId }, { sandboxId: view.sandboxId }]) {
    t.equal((await client.reclaim(scope)).zones.length, 1);
    t.strictSame(controller.calls.at(-1), {
      method: 'reclaim',
      args: [scope, { coldBytes: 0 }],
    });
  }
  t.strictSame(await client.deleteSandbox(view.sandboxId), { returnedBytes: 80 * MIB });
  t.strictSame(await client.deleteSandbox(view.sandboxId), { returnedBytes: 0 });
});

t.test('logs arrive whole, in order, in pieces of a bounded size', async (t) => {
  const { client, controller } = await serve(t);
  const { containerId } = controller.add();
  const large = Buffer.alloc(3 * MIB, 'x');
  controller.logChunks = [Buffer.from('first\n'), large, Buffer.from('last\n')];
  const pieces: Uint8Array[] = [];
  for await (const piece of client.logs(containerId, { tailBytes: 77 })) pieces.push(piece);
  t.ok(pieces.every((piece) => piece.length <= 65_536));
  t.ok(Buffer.concat(pieces).equals(Buffer.concat(controller.logChunks)));
  t.strictSame(controller.calls.at(-1)?.args, [containerId, false, 77]);
});

t.test('a reader who leaves ends the reading', async (t) => {
  const { client, controller } = await serve(t);
  const { containerId } = controller.add();
  const abort = new AbortController();
  const read = (async () => {
    for await (const _ of client.logs(containerId, { follow: true, signal: abort.signal })) {
      abort.abort();
    }
  })();
  await t.rejects(read, { code: 'ABORTED' });
  while (!controller.logSignal?.aborted) await new Promise((resolve) => setImmediate(resolve));
  t.pass('the controller was told');
});

t.test('a caller who gives up cancels the placement', async (t) => {
  const { client, controller } = await serve(t);
  controller.placeGate = new Promise(() => {});
  const abort = new AbortController();
  const placing = client.place(HTML, { signal: abort.signal });
  while (controller.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  await t.rejects(placing, { code: 'ABORTED', message: 'the call was cancelled' });
  while (controller.placeCancelled === null) await new Promise((r) => setImmediate(r));
  t.match(controller.placeCancelled, { code: 'ABORTED' });
  t.strictSame(controller.containers(), [], 'nothing was placed');
});

t.test('a deadline that passes cancels the placement', async (t) => {
  const { client, controller } = await serve(t);
  controller.placeGate = new Promise(() => {});
  await t.rejects(client.place(HTML, { timeoutMs: 100 }), { code: 'DEADLINE_EXCEEDED' });
  while (controller.placeCancelled === null) await new Promise((r) => setImmediate(r));
  t.match(controller.placeCancelled, { name: 'CzoneError' });
});
