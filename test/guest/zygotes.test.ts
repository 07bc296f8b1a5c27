// SPDX-License-Identifier: Apache-2.0
// Containers that are zygotes, and those that are forked from one.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readStartRequest } from '../../src/guest/request.js';
import {
  ContainerRole,
  ExitReason,
  type StartContainerRequest,
  StartMethod,
} from '../../src/protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId } from '../../src/protocol/ids.js';
import { MIB } from '../../src/protocol/units.js';
import { FakeSandbox, refused, reply } from './fake-sandbox.js';
import { startRequest } from './start-request.js';

const ZYGOTE = 'c-aaaaaaaaaaaa' as ContainerId;
const CHILD = 'c-0123456789ab' as ContainerId;

const zygoteSpec = () =>
  readStartRequest(
    startRequest({
      containerId: ZYGOTE,
      zoneId: 9,
      role: ContainerRole.CONTAINER_ROLE_ZYGOTE,
      address: '',
      port: 0,
      readyTimeoutMs: 10_000,
    }),
  );
const childSpec = (changes: Partial<StartContainerRequest> = {}) =>
  readStartRequest(startRequest({ zygoteId: ZYGOTE, readyTimeoutMs: 10_000, ...changes }));

function sandbox(t: Test): FakeSandbox {
  const fake = new FakeSandbox(t.testdir());
  t.teardown(() => fake.killAll());
  return fake;
}

t.test('a zygote is ready when it says so, has no network, and tells its runtime', async (t) => {
  const fake = sandbox(t);
  const started = await fake.containers.start(zygoteSpec());
  t.match(started, { runtime: 'python 3.13', method: StartMethod.START_METHOD_CRUN });
  t.notOk(fake.deeds.includes('network'));
  await delay(10);
  t.ok(fake.deeds.includes(`reclaim ${2 * MIB}`), 'what it has read and not mapped is given back');
  t.match(await fake.containers.list(), [{ role: ContainerRole.CONTAINER_ROLE_ZYGOTE }]);
  await fake.containers.stop(ZYGOTE, 60_000);
  t.strictSame(fake.left(), []);
});

t.test('a zygote that refuses is no zygote, for the reason that it gives', async (t) => {
  const fake = sandbox(t);
  fake.zygoteSays = refused(0n, '3 threads run beside the main one');
  await t.rejects(fake.containers.start(zygoteSpec()), {
    code: 'FAILED_PRECONDITION',
    message: /3 threads run/,
  });
  t.strictSame(fake.left(), []);
});

t.test('a zygote that says nonsense is ended', async (t) => {
  const fake = sandbox(t);
  fake.zygoteSays = reply(99, 1n);
  await t.rejects(fake.containers.start(zygoteSpec()), { code: 'ABORTED' });
  t.strictSame(fake.left(), []);
});

t.test('a child is forked into its own zone, cgroup and network, without crun', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(zygoteSpec());
  fake.deeds.length = 0;
  const started = await fake.containers.start(childSpec());
  t.equal(started.method, StartMethod.START_METHOD_ZYGOTE);
  t.equal(started.fallbackReason, '');
  t.ok(started.pid > 1);
  t.strictSame(
    started.stages.map(({ name }) => name),
    ['network', 'cgroup', 'spawn', 'create', 'ready'],
  );
  t.ok(fake.deeds.includes('sandbox'));
  t.notOk(fake.deeds.includes('spawn'), 'no crun');
  t.match(await fake.containers.stop(CHILD, 60_000), { signal: 15 });
  await fake.containers.stop(ZYGOTE, 0);
  t.strictSame(fake.left(), []);
});

t.test('children live on when their zygote ends', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(zygoteSpec());
  const { pid } = await fake.containers.start(childSpec());
  const kept = await fake.containers.inspect(CHILD).catch(() => []);
  t.ok(kept);
  t.doesNotThrow(() => process.kill(pid, 0));
  const after = await fake.containers.stop(CHILD, 0);
  t.equal(after?.reason, ExitReason.EXIT_REASON_STOPPED);
});

for (const [what, prepare, reason] of [
  [
    'the sandbox can’t be made',
    (fake: FakeSandbox) => {
      fake.sandboxFailure = { step: -3, code: 'ENOTTY' };
    },
    /handing it to the zone \(ENOTTY\)/,
  ],
  [
    'a step of the sandbox fails',
    (fake: FakeSandbox) => {
      fake.sandboxFailure = { step: 0, code: 'ENODEV' };
    },
    /address \(ENODEV\)/,
  ],
  [
    'the zygote refuses',
    (fake: FakeSandbox) => {
      fake.zygoteAnswer = (id) => refused(id, 'descriptor 7 is open');
    },
    /descriptor 7 is open/,
  ],
  [
    'its fork fails',
    (fake: FakeSandbox) => {
      fake.zygoteAnswer = (id) => reply(19, id, Buffer.from('\u000b\0\0\0try again'));
    },
    /fork failed: try again/,
  ],
  [
    'it answers with nonsense',
    (fake: FakeSandbox) => {
      fake.zygoteAnswer = () => reply(77, 1n);
    },
    /makes no sense/,
  ],
] as const) {
  t.test(`crun makes the container, and says why, when ${what}`, async (t) => {
    const fake = sandbox(t);
    await fake.containers.start(zygoteSpec());
    prepare(fake);
    const started = await fake.containers.start(childSpec());
    t.equal(started.method, StartMethod.START_METHOD_CRUN);
    t.match(started.fallbackReason, reason);
    await fake.containers.stop(CHILD, 0);
    await fake.containers.stop(ZYGOTE, 0);
    t.strictSame(fake.left(), []);
  });

  t.test(`who wants a zygote and nothing else gets the reason when ${what}`, async (t) => {
    const fake = sandbox(t);
    await fake.containers.start(zygoteSpec());
    prepare(fake);
    await t.rejects(fake.containers.start(childSpec({ zygoteOnly: true })), {
      code: 'FAILED_PRECONDITION',
      message: reason,
    });
    await fake.containers.stop(ZYGOTE, 0);
    t.strictSame(fake.left(), []);
  });
}

t.test('crun makes the container when the zygote is not there', async (t) => {
  const fake = sandbox(t);
  const started = await fake.containers.start(childSpec());
  t.match(started.fallbackReason, /there is no zygote c-aaaaaaaaaaaa/);
  t.equal(started.method, StartMethod.START_METHOD_CRUN);
});

t.test('a request to fork names a zygote, and a zygote names none', async (t) => {
  t.throws(() => childSpec({ zygoteId: 'html' }), { message: /zygote_id/ });
  t.throws(() => childSpec({ role: ContainerRole.CONTAINER_ROLE_ZYGOTE, address: '' }), {
    message: /zygote_id/,
  });
  t.throws(() => childSpec({ role: 9 as ContainerRole }), { message: /role/ });
});
