// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import {
  readBytes,
  readContainerId,
  readGraceMs,
  readStartRequest,
} from '../../src/guest/request.js';
import type { StartContainerRequest } from '../../src/protocol/gen/czone/guest/v1/agent.js';
import { startRequest } from './start-request.js';

t.test('takes a request that is right', async (t) => {
  const spec = readStartRequest(startRequest());
  t.equal(spec.memoryBytes, 64 * 1024 * 1024);
  t.equal(spec.cpuMillis, 500);
  t.ok(spec.environment.includes('MODE=fast'));
  t.ok(spec.environment.includes('PORT=8080'));
});

t.test('bytes of a reclaim are whole pages', async (t) => {
  t.equal(readBytes(10_000n), 8192);
  for (const bytes of [0n, 4095n, 2n ** 63n]) {
    t.throws(() => readBytes(bytes), { code: 'INVALID_ARGUMENT', field: 'bytes' });
  }
});

t.test('nothing runs as root', async (t) => {
  const { uid, gid } = readStartRequest(startRequest({ uid: 0, gid: 0 }));
  t.strictSame([uid, gid], [65534, 65534]);
});

t.test(
  'the port wins over a variable of its name, and a given path over the usual one',
  async (t) => {
    const environment = [
      { name: 'PORT', value: '1' },
      { name: 'PATH', value: '/bin' },
    ];
    const spec = readStartRequest(startRequest({ environment }));
    t.ok(spec.environment.includes('PORT=8080'));
    t.notOk(spec.environment.includes('PORT=1'));
    t.ok(spec.environment.includes('PATH=/bin'));
  },
);

t.test('an absent working directory, hostname and CPU limit have defaults', async (t) => {
  const spec = readStartRequest(startRequest({ workingDirectory: '', hostname: '', cpuMillis: 0 }));
  t.match(spec, { workingDirectory: '/', hostname: 'c-0123456789ab', cpuMillis: null });
});

const wrong: readonly [string, Partial<StartContainerRequest>][] = [
  ['container_id', { containerId: '../../etc' }],
  ['container_id', { containerId: 'c-0123456789AB' }],
  ['zone_id', { zoneId: 0 }],
  ['zone_id', { zoneId: 4096 }],
  ['image_serial', { imageSerial: '../x' }],
  ['image_serial', { imageSerial: '' }],
  ['image_serial', { imageSerial: 'a'.repeat(21) }],
  ['command', { command: [] }],
  ['command', { command: [''] }],
  ['command', { command: ['/bin/sh', 'a\0b'] }],
  ['command', { command: ['/bin/sh', 'x'.repeat(4097)] }],
  ['command', { command: Array.from({ length: 65 }, () => 'x') }],
  ['environment', { environment: [{ name: 'A=B', value: 'x' }] }],
  ['environment', { environment: [{ name: '', value: 'x' }] }],
  ['environment', { environment: [{ name: 'A', value: 'x\0' }] }],
  ['environment', { environment: Array.from({ length: 257 }, () => ({ name: 'A', value: '' })) }],
  ['working_directory', { workingDirectory: 'app' }],
  ['memory_bytes', { memoryBytes: 1n }],
  ['memory_bytes', { memoryBytes: 2n ** 63n }],
  ['cpu_millis', { cpuMillis: 4_000_000_000 }],
  ['address', { address: '10.0.3.30' }],
  ['address', { address: '10.0.2.15' }],
  ['address', { address: '10.0.2.230' }],
  ['address', { address: '10.0.2.030' }],
  ['address', { address: '10.0.2.30; rm' }],
  ['port', { port: 0 }],
  ['port', { port: 65536 }],
  ['ready_timeout_ms', { readyTimeoutMs: 0 }],
  ['hostname', { hostname: 'a_b' }],
  ['hostname', { hostname: 'a'.repeat(64) }],
  ['uid', { uid: 4_294_967_295 }],
];
for (const [field, change] of wrong) {
  t.test(
    `refuses ${JSON.stringify(change, (_, value) => String(value)).slice(0, 60)} in ${field}`,
    async (t) => {
      t.throws(() => readStartRequest(startRequest(change)), { code: 'INVALID_ARGUMENT', field });
    },
  );
}

t.test('checks ids and graces of the other calls', async (t) => {
  t.equal(readContainerId('c-0123456789ab'), 'c-0123456789ab');
  t.throws(() => readContainerId('c-1'), { code: 'INVALID_ARGUMENT' });
  t.equal(readGraceMs(0), 0);
  t.throws(() => readGraceMs(601_000), { code: 'INVALID_ARGUMENT', field: 'grace_ms' });
});
