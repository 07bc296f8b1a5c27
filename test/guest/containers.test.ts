// SPDX-License-Identifier: Apache-2.0
import t, { type Test } from 'tap';
import type { Watcher } from '../../src/guest/events.js';
import { Events } from '../../src/guest/events.js';
import { readStartTime } from '../../src/guest/process.js';
import { readStartRequest } from '../../src/guest/request.js';
import {
  type ContainerExit,
  ContainerState,
  ExitReason,
  type StartContainerRequest,
} from '../../src/protocol/gen/czone/guest/v1/agent.js';
import { FakeSandbox } from './fake-sandbox.js';
import { startRequest } from './start-request.js';

const spec = (changes: Partial<StartContainerRequest> = {}) =>
  readStartRequest(startRequest(changes));
const ID = spec().id;

function sandbox(t: Test): FakeSandbox {
  const fake = new FakeSandbox(t.testdir());
  t.teardown(() => fake.killAll());
  return fake;
}

/** What is told to a watcher that came before. */
function watch(events: Events): {
  exits: ContainerExit[];
  text: () => string;
  nextExit: Promise<void>;
} {
  const exits: ContainerExit[] = [];
  let text = '';
  let onExit = () => {};
  const nextExit = new Promise<void>((resolve) => {
    onExit = resolve;
  });
  const watcher: Watcher = {
    ended: false,
    send: ({ event }) => {
      if (event?.$case === 'log') text += Buffer.from(event.value.data).toString();
      if (event?.$case === 'exit') {
        exits.push(event.value);
        onExit();
      }
      return true;
    },
    whenDrained: () => Promise.resolve(),
    end: () => {},
  };
  events.attach(watcher, { event: { $case: 'snapshot', value: { containers: [] } } });
  return { exits, text: () => text, nextExit };
}

t.test('a container that is ready is running, and its stages are told in order', async (t) => {
  const fake = sandbox(t);
  const { pid, stages } = await fake.containers.start(spec());
  t.ok(pid > 1);
  t.strictSame(
    stages.map(({ name }) => name),
    ['network', 'cgroup', 'spawn', 'create', 'ready'],
  );
  t.match(await fake.containers.list(), [
    { containerId: ID, zoneId: 7, pid, state: ContainerState.CONTAINER_STATE_RUNNING },
  ]);
});

t.test('its own end is told after its last words, and nothing of it is left', async (t) => {
  const fake = sandbox(t);
  fake.script = `echo begin; ${fake.wait}; echo the last words; exit 3`;
  const watched = watch(fake.events);
  await fake.containers.start(spec());
  fake.go();
  await watched.nextExit;
  t.match(watched.exits, [{ containerId: ID, reason: ExitReason.EXIT_REASON_EXITED, exitCode: 3 }]);
  t.equal(watched.text(), 'begin\nthe last words\n');
  t.strictSame(fake.left(), []);
  t.strictSame(await fake.containers.list(), []);
});

t.test('the zone is let go after the last process and the cgroup', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(spec());
  await fake.containers.stop(ID, 0);
  const after = fake.deeds.slice(fake.deeds.indexOf('kill'));
  t.ok(after.indexOf('no cgroup') < after.indexOf('no zone'));
});

t.test('SIGTERM ends it, SIGKILL comes where that is not enough', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(spec());
  t.match(await fake.containers.stop(ID, 60_000), {
    reason: ExitReason.EXIT_REASON_STOPPED,
    signal: 15,
  });
  t.strictSame(fake.left(), []);

  const stubborn = sandbox(t);
  stubborn.script = 'trap "" TERM; echo deaf; while :; do sleep 0.05; done';
  const watched = watch(stubborn.events);
  await stubborn.containers.start(spec());
  while (!watched.text().includes('deaf')) await new Promise(setImmediate);
  t.match(await stubborn.containers.stop(ID, 30), {
    reason: ExitReason.EXIT_REASON_STOPPED,
    signal: 9,
  });
  t.strictSame(stubborn.left(), []);
});

t.test('stopping what is gone tells its exit again, and null where there was none', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(spec());
  const exit = await fake.containers.stop(ID, 0);
  t.strictSame(await fake.containers.stop(ID, 0), exit);
  t.equal(await fake.containers.stop(spec({ containerId: 'c-ffffffffffff' }).id, 0), null);
});

t.test('a stop during the start ends the start', async (t) => {
  const fake = sandbox(t);
  fake.ready = null;
  const started = fake.containers.start(spec({ readyTimeoutMs: 60_000 }));
  while (!(await fake.containers.list()).some(({ pid }) => pid > 0))
    await new Promise(setImmediate);
  t.match(await fake.containers.stop(ID, 0), { reason: ExitReason.EXIT_REASON_STOPPED });
  await t.rejects(started, { code: 'ABORTED', message: /was stopped before it was ready/ });
  t.strictSame(fake.left(), []);
});

t.test('a container killed since its memory was full says so', async (t) => {
  const fake = sandbox(t);
  fake.script = `${fake.wait}; kill -9 $$`;
  fake.oomKillCount = 1;
  const watched = watch(fake.events);
  await fake.containers.start(spec());
  fake.go();
  await watched.nextExit;
  t.match(watched.exits, [{ reason: ExitReason.EXIT_REASON_OOM_KILLED, signal: 9 }]);
});

const coded = (code: string, extra: object = {}) =>
  Object.assign(new Error(code), { code, ...extra });
for (const [step, failure, expected] of [
  ['network', new Error('no bridge'), { message: 'no bridge' }],
  ['cgroup', new Error('no space'), { message: 'no space' }],
  ['image', new Error('bad superblock'), { message: 'bad superblock' }],
  ['zone', coded('ENOENT'), { code: 'NOT_FOUND', message: /Zone 7/ }],
  ['zone', coded('EBUSY'), { code: 'FAILED_PRECONDITION' }],
  [
    'spawn',
    coded('ENOMEM', { step: 'mount-overlay' }),
    { code: 'INTERNAL', message: /mount-overlay \(ENOMEM\)/ },
  ],
] as const) {
  t.test(`nothing is left when a start fails at ${step} with ${failure.message}`, async (t) => {
    const fake = sandbox(t);
    fake.failures.set(step, failure);
    await t.rejects(fake.containers.start(spec()), expected);
    t.strictSame(fake.left(), []);
    fake.failures.clear();
    await fake.containers.start(spec());
    t.equal((await fake.containers.list()).length, 1, 'the id may be tried again');
  });
}

t.test('a container that ends as its port answers is not taken for a running one', async (t) => {
  const fake = sandbox(t);
  fake.script = 'exit 0';
  let answer = (_: boolean) => {};
  fake.ready = new Promise((resolve) => {
    answer = resolve;
  });
  const started = fake.containers.start(spec());
  while (!(await fake.containers.list()).some(({ pid }) => pid > 0)) {
    await new Promise(setImmediate);
  }
  const [{ pid = 0 } = {}] = await fake.containers.list();
  void fake.whenGone(pid).then(() => answer(true));
  await t.rejects(started, { code: 'ABORTED' });
  t.strictSame(fake.left(), []);
});

t.test('what crun says stands in the error', async (t) => {
  const fake = sandbox(t);
  fake.crunExitCode = 1;
  await t.rejects(fake.containers.start(spec()), {
    code: 'ABORTED',
    message: /no such executable/,
  });
  t.strictSame(fake.left(), []);
});

t.test('a container that ends before it is ready gives its last words to the error', async (t) => {
  const fake = sandbox(t);
  fake.ready = null;
  fake.script = 'echo "Error: no module flask" >&2; exit 1';
  await t.rejects(fake.containers.start(spec({ readyTimeoutMs: 60_000 })), {
    code: 'ABORTED',
    message: /ended with exit code 1 before it was ready[\s\S]*no module flask/,
  });
  t.strictSame(fake.left(), []);
});

t.test('a container that is not ready in time is taken away', async (t) => {
  const fake = sandbox(t);
  fake.ready = null;
  await t.rejects(fake.containers.start(spec({ readyTimeoutMs: 20 })), {
    code: 'DEADLINE_EXCEEDED',
  });
  t.strictSame(fake.left(), []);
});

t.test('ids, zones and addresses are of one container', async (t) => {
  const fake = sandbox(t);
  await fake.containers.start(spec());
  const other = { containerId: 'c-ffffffffffff', zoneId: 8, address: '10.0.2.31' };
  await t.rejects(fake.containers.start(spec()), { code: 'ALREADY_EXISTS' });
  await t.rejects(fake.containers.start(spec({ ...other, zoneId: 7 })), { message: /zone 7/ });
  await t.rejects(fake.containers.start(spec({ ...other, address: '10.0.2.30' })), {
    code: 'FAILED_PRECONDITION',
    message: /address 10\.0\.2\.30/,
  });
  await fake.containers.start(spec(other));
  t.equal((await fake.containers.list()).length, 2);
});

t.test('pauses, resumes, and ends while it is paused', async (t) => {
  const fake = sandbox(t);
  await t.rejects(async () => fake.containers.pause(ID), { code: 'NOT_FOUND' });
  await fake.containers.start(spec());
  await fake.containers.pause(ID);
  t.match(await fake.containers.list(), [{ state: ContainerState.CONTAINER_STATE_PAUSED }]);
  await fake.containers.resume(ID);
  t.match(await fake.containers.list(), [{ state: ContainerState.CONTAINER_STATE_RUNNING }]);
  await fake.containers.pause(ID);
  await fake.containers.stop(ID, 60_000);
  t.ok(
    fake.deeds.lastIndexOf('thaw') > fake.deeds.lastIndexOf('freeze'),
    'or it would see no SIGTERM',
  );
  t.strictSame(fake.left(), []);
});

t.test('the next daemon takes a live container over, with its output and its exit', async (t) => {
  const fake = sandbox(t);
  fake.script = 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done';
  const { pid } = await fake.containers.start(spec());
  const startTime = (await readStartTime('/proc', pid)) ?? '';
  fake.disown(pid);
  // The daemon before is not told to end: it just is not asked any more.
  const events = new Events();
  const next = fake.daemon(events);
  const watched = watch(events);
  await next.adopt();
  t.match(await next.list(), [
    { containerId: ID, pid, state: ContainerState.CONTAINER_STATE_RUNNING },
  ]);
  fake.keepExit(pid, startTime, 5 << 8);
  process.kill(pid, 'SIGTERM');
  await watched.nextExit;
  t.match(watched.exits, [{ containerId: ID, reason: ExitReason.EXIT_REASON_EXITED, exitCode: 5 }]);
});

t.test('the next daemon tells of a container that ended meanwhile', async (t) => {
  const fake = sandbox(t);
  const { pid } = await fake.containers.start(spec());
  const startTime = (await readStartTime('/proc', pid)) ?? '';
  // A daemon that is gone does not clear up: its container's end must not be seen by it.
  const events = new Events();
  const next = fake.daemon(events);
  const watched = watch(events);
  fake.keepExit(pid, startTime, 9);
  process.kill(pid, 'SIGKILL');
  await Promise.all([next.adopt(), fake.whenGone(pid)]);
  await watched.nextExit;
  t.match(watched.exits, [{ containerId: ID, reason: ExitReason.EXIT_REASON_SIGNALED, signal: 9 }]);
  t.strictSame(fake.left(), []);
});
