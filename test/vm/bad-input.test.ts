// SPDX-License-Identifier: Apache-2.0
// Bad input gets its error and changes nothing. One node, and one VM where a VM is
// needed at all.
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ensureArtifact } from '../../src/artifacts/ensure.js';
import { CzoneError, type ErrorCode } from '../../src/protocol/errors.js';
import { GIB, MIB } from '../../src/protocol/units.js';
import { CLI, NodeUnderTest, SMALL_BYTES } from './node-under-test.js';

t.setTimeout(20 * 60_000);
const node = await NodeUnderTest.start(['--max-sandboxes', '1', '--region', '128MiB']);
t.teardown(() => node.close());
const { client } = node;

async function state(): Promise<unknown> {
  const memory = await client.memory();
  return {
    containers: (await client.containers()).map(({ containerId }) => containerId),
    sandboxes: (await client.sandboxes()).map(({ sandboxId }) => sandboxId),
    plugged: memory.pluggedBytes,
    zones: memory.sandboxes.map(({ zones }) => zones.map(({ zoneId }) => zoneId)),
  };
}

/** The call fails with this code and this text, and the node is as before. */
async function refused(
  t: Test,
  call: () => Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const before = await state();
  try {
    await call();
    t.fail('it was taken');
  } catch (error) {
    if (!(error instanceof CzoneError)) throw error;
    t.equal(error.code, code, error.message);
    t.match(error.message, message);
  }
  t.same(await state(), before, 'nothing changed');
}

const PYTHON = '/usr/bin/python3';
const good = { tenantId: 'acme', functionId: 'html', memoryBytes: SMALL_BYTES };

await t.test('before any VM runs', async (t) => {
  await refused(t, () => client.place({ ...good, functionId: 'nope' }), 'NOT_FOUND', /nope/);
  await refused(
    t,
    () => client.place({ ...good, functionId: 'No/Pe' }),
    'INVALID_ARGUMENT',
    /function_id/,
  );
  await refused(
    t,
    () => client.place({ ...good, image: '/no/such/image' }),
    'NOT_FOUND',
    /no\/such\/image/,
  );
  await refused(
    t,
    () => client.place({ ...good, memoryBytes: 0 }),
    'INVALID_ARGUMENT',
    /memory_bytes/,
  );
  await refused(
    t,
    () => client.place({ ...good, memoryBytes: 1 * GIB }),
    'INVALID_ARGUMENT',
    /memory_bytes/,
  );
  await refused(
    t,
    () => client.place({ ...good, tenantId: '../etc' }),
    'INVALID_ARGUMENT',
    /tenant_id/,
  );
  await refused(t, () => client.stop('c-000000000000'), 'NOT_FOUND', /c-000000000000/);
  await refused(t, () => client.stop('rubbish'), 'INVALID_ARGUMENT', /container_id/);
});

await t.test('a corrupt image', async (t) => {
  const { dir } = await ensureArtifact('function-html');
  const copy = await mkdtemp(join(tmpdir(), 'czone-image-'));
  t.teardown(() => rm(copy, { recursive: true, force: true }));
  await cp(dir, copy, { recursive: true });
  const blobs = join(copy, 'blobs', 'sha256');
  for (const name of await readdir(blobs)) await writeFile(join(blobs, name), 'not what it was');
  await refused(
    t,
    () => client.place({ ...good, image: copy }),
    'FAILED_PRECONDITION',
    /corrupt|digest/,
  );
  await mkdir(join(copy, 'empty'));
  await refused(
    t,
    () => client.place({ ...good, image: join(copy, 'empty') }),
    'FAILED_PRECONDITION',
    /OCI/,
  );
});

await t.test('a full node, and a container that has ended', async (t) => {
  const container = await client.place(good);
  await refused(
    t,
    () => client.place({ ...good, memoryBytes: 100 * MIB }),
    'RESOURCE_EXHAUSTED',
    /.+/,
  );
  await refused(
    t,
    () => client.place({ ...good, tenantId: 'globex' }),
    'RESOURCE_EXHAUSTED',
    /1 of at most 1/,
  );
  await client.stop(container.containerId);
  await refused(
    t,
    () => client.pause(container.containerId),
    'FAILED_PRECONDITION',
    /ended|exited/i,
  );
  await refused(
    t,
    () => client.resume(container.containerId),
    'FAILED_PRECONDITION',
    /ended|exited/i,
  );
  await refused(
    t,
    () => client.inspect(container.containerId),
    'FAILED_PRECONDITION',
    /ended|exited/i,
  );
  await refused(
    t,
    () => client.reclaim({ containerId: container.containerId }),
    'FAILED_PRECONDITION',
    /ended|exited/i,
  );
});

await t.test('a container whose server never answers, or ends at once', async (t) => {
  await refused(
    t,
    () =>
      client.place({
        ...good,
        command: [PYTHON, '-c', 'import time; time.sleep(1000)'],
        readyTimeoutMs: 1500,
      }),
    'DEADLINE_EXCEEDED',
    /8080|port|ready/,
  );
  await refused(
    t,
    () =>
      client.place({ ...good, command: [PYTHON, '-c', 'import sys; sys.exit("why-it-ended")'] }),
    'ABORTED',
    /why-it-ended/,
  );
  await refused(
    t,
    () => client.place({ ...good, command: ['/no/such/program'] }),
    'ABORTED',
    /no such|not found/i,
  );
});

await t.test('a second node on the same socket', async (t) => {
  const before = await state();
  const second = spawnSync(process.execPath, [CLI, 'node', 'start', '--run-dir', node.runDir], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.equal(second.status, 4);
  t.match(second.stdout + second.stderr, new RegExp(String(node.process.pid)));
  t.same(await state(), before, 'the first is as before');
});

await t.test('QEMU is missing', async (t) => {
  const runDir = await mkdtemp(join(tmpdir(), 'czone-test-'));
  t.teardown(() => rm(runDir, { recursive: true, force: true }));
  const start = spawnSync(
    process.execPath,
    [CLI, 'node', 'start', '--run-dir', runDir, '--qemu', '/no/such/qemu'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  t.equal(start.status, 4);
  t.match(start.stdout + start.stderr, /\/no\/such\/qemu/);
  t.same(await readdir(runDir), [], 'nothing is left');
});
