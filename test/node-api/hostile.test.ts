// SPDX-License-Identifier: Apache-2.0
// Callers that send what no client of ours would: each gets an error, nothing
// reaches the controller, and the node goes on.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import t from 'tap';
import {
  ContainersServiceService,
  PlaceFunctionRequest,
} from '../../src/protocol/gen/czone/node/v1/containers.js';
import { MemoryServiceService } from '../../src/protocol/gen/czone/node/v1/memory.js';
import { SandboxesServiceService } from '../../src/protocol/gen/czone/node/v1/sandboxes.js';
import { serve } from './serve.js';

const ROUNDS = 300;

function raw(client: Client, path: string, bytes: Buffer): Promise<ServiceError | null> {
  return new Promise((resolve) => {
    const identity = (value: Buffer) => value;
    client.makeUnaryRequest(path, identity, identity, bytes, (error) => resolve(error));
  });
}

/** Bytes that look random and are the same in every run. */
function noise(seed: number, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let n = 0; n * 32 < length; n++) {
    blocks.push(createHash('sha256').update(`${seed}/${n}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

t.test('bytes that are no message', async (t) => {
  const { client, controller, socketPath } = await serve(t);
  const grpc = new Client(`unix:${socketPath}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const changing = [
    ContainersServiceService.placeFunction.path,
    ContainersServiceService.stopContainer.path,
    ContainersServiceService.pauseContainer.path,
    ContainersServiceService.inspectContainer.path,
    SandboxesServiceService.deleteSandbox.path,
  ];
  let refused = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const path = changing[seed % changing.length] ?? '';
    const error = await raw(grpc, path, noise(seed, 1 + (seed % 200)));
    if (error !== null && error.code !== status.UNAVAILABLE) refused++;
  }
  t.equal(refused, ROUNDS, 'each is refused with a status, over a living connection');
  t.strictSame(controller.calls, []);
  await t.resolves(client.info());
});

t.test('a good message with one byte changed never crashes the node', async (t) => {
  const { client, socketPath } = await serve(t);
  const grpc = new Client(`unix:${socketPath}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const good = Buffer.from(
    PlaceFunctionRequest.encode(
      PlaceFunctionRequest.fromPartial({
        requestId: 'r',
        tenantId: 'acme',
        functionId: 'html',
        command: ['a', 'b'],
        environment: [{ name: 'A', value: 'b' }],
        memoryBytes: 2n ** 26n,
        labels: [{ key: 'k', value: 'v' }],
      }),
    ).finish(),
  );
  const allowed = new Set([status.INVALID_ARGUMENT, status.INTERNAL]);
  for (let at = 0; at < good.length; at++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const bytes = Buffer.from(good);
      bytes[at] = value;
      const error = await raw(grpc, ContainersServiceService.placeFunction.path, bytes);
      if (error !== null && !allowed.has(error.code)) t.fail(`byte ${at}: ${error.message}`);
    }
  }
  await t.resolves(client.info());
});

t.test('numbers at the end of their range', async (t) => {
  const { socketPath, controller } = await serve(t);
  const grpc = new Client(`unix:${socketPath}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const bytes = Buffer.from(
    PlaceFunctionRequest.encode(
      PlaceFunctionRequest.fromPartial({
        tenantId: 'acme',
        functionId: 'html',
        memoryBytes: 2n ** 64n - 1n,
        cpuMillis: 2 ** 32 - 1,
      }),
    ).finish(),
  );
  const error = await raw(grpc, ContainersServiceService.placeFunction.path, bytes);
  t.equal(error?.code, status.INVALID_ARGUMENT);
  t.strictSame(controller.calls, []);
});

t.test('a method that is not there, and bytes that are no HTTP/2', async (t) => {
  const { client, socketPath } = await serve(t);
  const grpc = new Client(`unix:${socketPath}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const path = `${MemoryServiceService.getMemory.path}Twice`;
  t.equal((await raw(grpc, path, Buffer.alloc(0)))?.code, status.UNIMPLEMENTED);
  for (let seed = 0; seed < 20; seed++) {
    const socket = connect(socketPath);
    socket.on('error', () => {}).resume(); // it hangs up, as it should
    socket.end(noise(seed, 5_000));
    await new Promise((resolve) => socket.once('close', resolve));
  }
  await t.resolves(client.info());
});
