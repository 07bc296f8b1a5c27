// SPDX-License-Identifier: Apache-2.0
// A node API server on a real socket in a test's own folder, and its client.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { NodeClient } from '../../src/node-api/client.js';
import { type NodeApi, serveNodeApi } from '../../src/node-api/server.js';
import { FakeController } from './fake-controller.js';

export interface Served {
  readonly controller: FakeController;
  readonly api: NodeApi;
  readonly client: NodeClient;
  readonly socketPath: string;
  /** What the server reported as faults of its own. */
  readonly faults: object[];
}

export async function serve(t: Test): Promise<Served> {
  const socketPath = join(await folder(t), 'node.sock');
  const controller = new FakeController();
  const faults: object[] = [];
  const api = await serveNodeApi(controller, {
    socketPath,
    log: { error: (details) => faults.push(details) },
  });
  const client = new NodeClient(socketPath);
  t.teardown(async () => {
    client.close();
    await api.close(0);
  });
  return { controller, api, client, socketPath, faults };
}

/** A new folder that goes with the test. */
export async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'czone-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
