// SPDX-License-Identifier: Apache-2.0
// Health and reflection, read by a client that is not ours: buf curl.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { serve } from './serve.js';

const run = promisify(execFile);

t.test('services are listed and called by reflection alone', async (t) => {
  const { socketPath, controller } = await serve(t);
  const { containerId } = controller.add();
  const { stdout: services } = await curl(socketPath, ['--list-services', 'http://localhost']);
  for (const name of ['Containers', 'Memory', 'Node', 'Sandboxes']) {
    t.match(services, `czone.node.v1.${name}Service`);
  }
  const { stdout: methods } = await curl(socketPath, ['--list-methods', 'http://localhost']);
  for (const name of ['PlaceFunction', 'ReadLogs', 'ReclaimMemory', 'DeleteSandbox']) {
    t.match(methods, `/${name}`);
  }
  const list = 'http://localhost/czone.node.v1.ContainersService/ListContainers';
  const { stdout } = await curl(socketPath, ['-d', '{"tenantId":"acme"}', list]);
  t.match(JSON.parse(stdout), {
    containers: [{ containerId, state: 'CONTAINER_STATE_RUNNING', memoryBytes: '67108864' }],
  });
});

t.test('an error shows its details to a client that is not ours', async (t) => {
  const { socketPath } = await serve(t);
  const stop = 'http://localhost/czone.node.v1.ContainersService/StopContainer';
  await t.rejects(curl(socketPath, ['-d', '{"containerId":"x"}', stop]), {
    message: /invalid_argument[\s\S]*google\.rpc\.BadRequest/,
  });
});

t.test('health: serving, then not, and per service', async (t) => {
  const { socketPath, api } = await serve(t);
  const check = async (service: string) => {
    const url = 'http://localhost/grpc.health.v1.Health/Check';
    const { stdout } = await curl(socketPath, ['-d', JSON.stringify({ service }), url]);
    return (JSON.parse(stdout) as { status: string }).status;
  };
  t.equal(await check(''), 'SERVING');
  t.equal(await check('czone.node.v1.ContainersService'), 'SERVING');
  await t.rejects(check('nobody'), { message: /not_found/ });
  api.drain();
  t.equal(await check(''), 'NOT_SERVING');
});

function curl(socketPath: string, args: string[]) {
  const fixed = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--reflect'];
  // Away from the checkout, so that nothing but reflection can tell the schema.
  return run(buf(), [...fixed, '--unix-socket', socketPath, ...args], {
    cwd: dirname(socketPath),
    env: { ...process.env, HOME: dirname(socketPath) },
    timeout: 60_000,
  });
}

function buf(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, 'node_modules', '.bin', 'buf'))) at = dirname(at);
  return join(at, 'node_modules', '.bin', 'buf');
}
