// SPDX-License-Identifier: Apache-2.0
// The node's socket: its mode, stale ones, a second node, no node at all.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { NodeClient } from '../../src/node-api/client.js';
import { serveNodeApi } from '../../src/node-api/server.js';
import { FakeController } from './fake-controller.js';
import { folder, serve } from './serve.js';

const options = (socketPath: string) => ({ socketPath, log: { error() {} } });

t.test('the socket has mode 0600 and nothing else lies beside it', async (t) => {
  const { socketPath, api } = await serve(t);
  t.equal(statSync(socketPath).mode & 0o7777, 0o600);
  t.strictSame(readdirSync(dirname(socketPath)), ['node.sock']);
  await api.close();
  t.strictSame(readdirSync(dirname(socketPath)), [], 'and goes with the server');
});

t.test('a second node on the same socket is refused and harms nothing', async (t) => {
  const { socketPath, client } = await serve(t);
  await t.rejects(serveNodeApi(new FakeController(), options(socketPath)), {
    code: 'ALREADY_EXISTS',
    message: new RegExp(socketPath),
  });
  await t.resolves(client.info());
});

t.test('a stale socket is replaced', async (t) => {
  const socketPath = join(await folder(t), 'node.sock');
  leaveStaleSocket(socketPath);
  const stale = new NodeClient(socketPath);
  await t.rejects(stale.info(), { code: 'UNAVAILABLE', message: /no node runs at .*node start/ });
  stale.close();
  const api = await serveNodeApi(new FakeController(), options(socketPath));
  t.teardown(() => api.close(0));
  const client = new NodeClient(socketPath);
  t.teardown(() => client.close());
  await t.resolves(client.info());
});

t.test('a file that is no socket is left alone', async (t) => {
  const socketPath = join(await folder(t), 'node.sock');
  writeFileSync(socketPath, 'precious');
  await t.rejects(serveNodeApi(new FakeController(), options(socketPath)), {
    code: 'FAILED_PRECONDITION',
  });
  t.equal(statSync(socketPath).size, 8);
});

t.test('a path that can not be used is told', async (t) => {
  const long = join(await folder(t), 'a'.repeat(100), 'node.sock');
  await t.rejects(serveNodeApi(new FakeController(), options(long)), {
    code: 'INVALID_ARGUMENT',
    field: 'socket',
  });
  const absent = join(await folder(t), 'absent', 'node.sock');
  await t.rejects(serveNodeApi(new FakeController(), options(absent)), {
    code: 'FAILED_PRECONDITION',
    message: /ENOENT/,
  });
});

t.test('without a node the caller is told how to start one', async (t) => {
  const socketPath = join(await folder(t), 'node.sock');
  const client = new NodeClient(socketPath);
  t.teardown(() => client.close());
  const message = `no node runs at ${socketPath}; start one with ./czone node start`;
  await t.rejects(client.info(), { code: 'UNAVAILABLE', message });
});

t.test('a node that goes away during a call is told', async (t) => {
  const { client, controller, api } = await serve(t);
  controller.placeGate = new Promise(() => {});
  const placing = client.place({ tenantId: 'a', functionId: 'html', memoryBytes: 2 ** 26 });
  while (controller.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([t.rejects(placing, { code: /^(UNAVAILABLE|ABORTED)$/ }), api.close(0)]);
});

t.test('a later server at the same path keeps its socket when the first closes', async (t) => {
  const { socketPath, api } = await serve(t);
  const { rmSync } = await import('node:fs');
  rmSync(socketPath);
  const later = await serveNodeApi(new FakeController(), options(socketPath));
  t.teardown(() => later.close(0));
  await api.close(0);
  t.ok(existsSync(socketPath));
});

/** A process that is killed leaves its socket behind. */
function leaveStaleSocket(path: string): void {
  const script =
    "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))";
  spawnSync(process.execPath, ['-e', script, path]);
}
