// SPDX-License-Identifier: Apache-2.0
// What a caller is told when something is wrong: codes, fields, messages.
import { status } from '@grpc/grpc-js';
import t from 'tap';
import { decodeStatus, encodeStatus } from '../../src/node-api/status-details.js';
import { CzoneError, type ErrorCode } from '../../src/protocol/errors.js';
import { MIB } from '../../src/protocol/units.js';
import { serve } from './serve.js';

const HTML = { tenantId: 'acme', functionId: 'html', memoryBytes: 64 * MIB };
const UNKNOWN = 'c-000000000000';

t.test('every code of the controller reaches the caller with its message', async (t) => {
  const { client, controller, faults } = await serve(t);
  const codes: ErrorCode[] = [
    'INVALID_ARGUMENT',
    'NOT_FOUND',
    'ALREADY_EXISTS',
    'FAILED_PRECONDITION',
    'RESOURCE_EXHAUSTED',
    'ABORTED',
    'DEADLINE_EXCEEDED',
    'UNAVAILABLE',
    'INTERNAL',
  ];
  for (const code of codes) {
    controller.failures.set('place', new CzoneError(code, `because of ${code}: ünïcode`));
    await t.rejects(client.place(HTML), { code, message: `because of ${code}: ünïcode` });
  }
  t.equal(faults.length, 1, 'only INTERNAL is reported as a fault of the node');
});

t.test('a field that the controller names reaches the caller', async (t) => {
  const { client, controller } = await serve(t);
  const error = new CzoneError('INVALID_ARGUMENT', 'too much', { field: 'memory_bytes' });
  controller.failures.set('place', error);
  await t.rejects(client.place(HTML), { code: 'INVALID_ARGUMENT', field: 'memory_bytes' });
});

t.test('a fault that is no CzoneError is INTERNAL and reported', async (t) => {
  const { client, controller, faults } = await serve(t);
  controller.failures.set('info', new TypeError('x is not a function'));
  await t.rejects(client.info(), { code: 'INTERNAL', message: /x is not a function/ });
  t.match(faults, [{ method: '/czone.node.v1.NodeService/GetNodeInfo' }]);
});

t.test('an error inside a stream reaches the reader', async (t) => {
  const { client } = await serve(t);
  const read = async () => {
    for await (const _ of client.logs(UNKNOWN)) t.fail('nothing to read');
  };
  await t.rejects(read(), { code: 'NOT_FOUND', message: /c-000000000000/ });
});

t.test('unknown ids are NOT_FOUND, malformed ones INVALID_ARGUMENT', async (t) => {
  const { client } = await serve(t);
  const calls: ((id: string) => Promise<unknown>)[] = [
    (id) => client.stop(id),
    (id) => client.pause(id),
    (id) => client.resume(id),
    (id) => client.inspect(id),
  ];
  for (const call of calls) {
    await t.rejects(call(UNKNOWN), { code: 'NOT_FOUND' });
    await t.rejects(call('../../etc'), { code: 'INVALID_ARGUMENT', field: 'container_id' });
    await t.rejects(call(''), { code: 'INVALID_ARGUMENT', field: 'container_id' });
  }
  await t.rejects(client.memory('vm-00000000'), { code: 'NOT_FOUND' });
  await t.rejects(client.memory('vm-0'), { code: 'INVALID_ARGUMENT', field: 'sandbox_id' });
  await t.rejects(client.deleteSandbox('x'), { code: 'INVALID_ARGUMENT', field: 'sandbox_id' });
});

t.test('a request to pause what does not run changes nothing', async (t) => {
  const { client, controller } = await serve(t);
  const { containerId } = controller.add();
  await client.stop(containerId);
  await t.rejects(client.pause(containerId), { code: 'FAILED_PRECONDITION' });
  t.equal(controller.containers()[0]?.state, 'EXITED');
});

t.test('details survive the wire format; other bytes are no details', (t) => {
  const details = { reason: 'NOT_FOUND', field: 'a.b[3]' };
  const bytes = encodeStatus(status.NOT_FOUND, 'grüezi', details);
  t.strictSame(decodeStatus(bytes), details);
  const plain = { reason: 'INTERNAL', field: null };
  t.strictSame(decodeStatus(encodeStatus(13, '', plain)), plain);
  for (let length = 1; length < bytes.length; length++) {
    t.doesNotThrow(() => decodeStatus(bytes.subarray(0, length)));
  }
  t.equal(decodeStatus(Buffer.from('not protobuf at all')), null);
  t.equal(decodeStatus(Buffer.alloc(0)), null);
  t.end();
});
