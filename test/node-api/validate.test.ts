// SPDX-License-Identifier: Apache-2.0
// Every field of a placement has bounds; the error names it and nothing is placed.
import t from 'tap';
import type { Placement } from '../../src/node-api/client.js';
import * as limits from '../../src/node-api/limits.js';
import { MIB } from '../../src/protocol/units.js';
import { serve } from './serve.js';

const HTML = { tenantId: 'acme', functionId: 'html', memoryBytes: 64 * MIB };
const many = <Item>(count: number, item: (at: number) => Item) =>
  Array.from({ length: count }, (_, at) => item(at));
const pair = (name: string, value = ''): readonly [string, string] => [name, value];

const REFUSED: readonly (readonly [field: string, change: Partial<Placement>])[] = [
  ['tenant_id', { tenantId: '' }],
  ['tenant_id', { tenantId: 'Acme' }],
  ['tenant_id', { tenantId: '-acme' }],
  ['tenant_id', { tenantId: 'a'.repeat(64) }],
  ['tenant_id', { tenantId: 'a/../b' }],
  ['function_id', { functionId: '' }],
  ['function_id', { functionId: 'html\n' }],
  ['image', { image: 'relative/path' }],
  ['image', { image: '/a\0b' }],
  ['image', { image: `/${'a'.repeat(limits.IMAGE_PATH_BYTES_MAX)}` }],
  ['command', { command: [''] }],
  ['command', { command: many(limits.COMMAND_ARGUMENTS_MAX + 1, () => 'a') }],
  ['command[0]', { command: ['a'.repeat(limits.COMMAND_ARGUMENT_BYTES_MAX + 1)] }],
  ['command', { command: many(17, () => 'a'.repeat(limits.COMMAND_ARGUMENT_BYTES_MAX)) }],
  ['command[1]', { command: ['a', 'b\0'] }],
  [
    'environment',
    { environment: many(limits.ENVIRONMENT_VARIABLES_MAX + 1, (n) => pair(`V${n}`)) },
  ],
  ['environment', { environment: many(9, (n) => pair(`V${n}`, 'a'.repeat(8_000))) }],
  [
    'environment[0].value',
    { environment: [pair('A', 'a'.repeat(limits.ENVIRONMENT_VALUE_BYTES_MAX + 1))] },
  ],
  ['environment[0].name', { environment: [pair('1A')] }],
  ['environment[0].name', { environment: [pair('A=B')] }],
  ['environment[0].name', { environment: [pair('PORT', '1')] }],
  ['environment[1].name', { environment: [pair('A'), pair('A')] }],
  ['environment[0].value', { environment: [pair('A', '\0')] }],
  ['memory_bytes', { memoryBytes: 0 }],
  ['memory_bytes', { memoryBytes: limits.MEMORY_BYTES_MIN - 1 }],
  ['memory_bytes', { memoryBytes: -1 }],
  ['memory_bytes', { memoryBytes: Number.NaN }],
  ['memory_bytes', { memoryBytes: 2 ** 60 }],
  ['cpu_millis', { cpuMillis: 9 }],
  ['cpu_millis', { cpuMillis: limits.CPU_MILLIS_MAX + 1 }],
  ['labels', { labels: many(limits.LABELS_MAX + 1, (n) => ({ key: `k${n}`, value: '' })) }],
  ['labels[0].key', { labels: [{ key: '', value: '' }] }],
  ['labels[0].key', { labels: [{ key: 'a b', value: '' }] }],
  ['labels[1].key', { labels: many(2, () => ({ key: 'a', value: '' })) }],
  ['labels[0].value', { labels: [{ key: 'a', value: 'ü'.repeat(128) }] }],
  ['ready_timeout_ms', { readyTimeoutMs: limits.READY_TIMEOUT_MS_MAX + 1 }],
  ['request_id', { requestId: 'two words' }],
  ['request_id', { requestId: 'a'.repeat(limits.REQUEST_ID_LENGTH_MAX + 1) }],
];

t.test('a placement out of bounds', async (t) => {
  const { client, controller } = await serve(t);
  for (const [field, change] of REFUSED) {
    await t.rejects(
      client.place({ ...HTML, ...change }),
      { code: 'INVALID_ARGUMENT', field, message: new RegExp(`^${field.replace(/\W/g, '\\$&')} `) },
      `${field}: ${JSON.stringify(change).slice(0, 60)}`,
    );
  }
  t.strictSame(controller.calls, [], 'the controller was asked for none of them');
});

t.test('a placement at its bounds', async (t) => {
  const { client } = await serve(t);
  for (const change of [
    { tenantId: 'a' },
    { tenantId: `a${'-'.repeat(61)}a` },
    { memoryBytes: limits.MEMORY_BYTES_MIN },
    { cpuMillis: limits.CPU_MILLIS_MIN },
    { command: ['a'.repeat(limits.COMMAND_ARGUMENT_BYTES_MAX)] },
    { command: many(limits.COMMAND_ARGUMENTS_MAX, () => 'a') },
    { environment: [pair('_', 'a'.repeat(limits.ENVIRONMENT_VALUE_BYTES_MAX))] },
    { labels: [{ key: 'a', value: 'a'.repeat(limits.LABEL_VALUE_BYTES_MAX) }] },
    { image: `/${'a'.repeat(limits.IMAGE_PATH_BYTES_MAX - 1)}` },
  ]) {
    await t.resolves(client.place({ ...HTML, ...change }));
  }
});

t.test('a request that is larger than any may be is refused', async (t) => {
  const { client, controller } = await serve(t);
  await t.rejects(
    client.place({ ...HTML, command: ['a'.repeat(limits.REQUEST_MESSAGE_BYTES_MAX)] }),
    { code: 'RESOURCE_EXHAUSTED' },
  );
  t.strictSame(controller.calls, []);
  await t.resolves(client.info(), 'the connection goes on');
});

t.test('other fields with bounds', async (t) => {
  const { client, controller } = await serve(t);
  const view = controller.add();
  await t.rejects(client.stop(view.containerId, limits.GRACE_MS_MAX + 1), {
    code: 'INVALID_ARGUMENT',
    field: 'grace_ms',
  });
  await t.rejects(client.reclaim({ containerId: view.containerId, sandboxId: view.sandboxId }), {
    code: 'INVALID_ARGUMENT',
    field: 'sandbox_id',
  });
});
