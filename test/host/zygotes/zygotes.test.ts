// SPDX-License-Identifier: Apache-2.0
// The zygotes of a VM, without a VM.
import t from 'tap';
import { Container } from '../../../src/host/containers/container.js';
import { StageClock } from '../../../src/host/containers/stage-clock.js';
import type { Start } from '../../../src/host/containers/start.js';
import type { PlaceRequest } from '../../../src/host/controller-api.js';
import type { PreparedImage } from '../../../src/host/images/image-store.js';
import type { LedgerZone } from '../../../src/host/ledger/ledger.js';
import { SILENT } from '../../../src/host/log.js';
import { dropOneZygote } from '../../../src/host/zygotes/make-room.js';
import { FAILURES_MAX } from '../../../src/host/zygotes/policy.js';
import { Zygotes } from '../../../src/host/zygotes/zygotes.js';
import { CzoneError } from '../../../src/protocol/errors.js';
import type {
  ContainerId,
  FunctionId,
  SandboxId,
  TenantId,
  ZoneId,
} from '../../../src/protocol/ids.js';

const settled = () => new Promise(setImmediate);

class Vm {
  readonly zygotes: Zygotes;
  readonly stopped: string[] = [];
  room = true;
  failure: Error | null = null;
  /** Starts wait for it. */
  gate: Promise<void> = Promise.resolve();
  #count = 0;
  #nowMs = 0;

  constructor(enabled = true) {
    this.zygotes = new Zygotes({
      enabled,
      reserve: (like) => (this.room ? this.container(like.facts.imageDigest, 'ZYGOTE') : null),
      start: async (zygote) => {
        await this.gate;
        if (this.failure !== null) throw this.failure;
        zygote.state = 'RUNNING';
        zygote.runtime = 'python 3.13';
      },
      stop: async (zygote, reason) => {
        this.stopped.push(reason);
        zygote.state = 'EXITED';
        this.zygotes.ended(zygote, reason);
      },
      residentBytes: () => 4096,
      nowMs: () => this.#nowMs++,
      log: SILENT,
    });
  }

  container(digest: string, role: 'FUNCTION' | 'ZYGOTE' = 'FUNCTION'): Container {
    const number = ++this.#count;
    return new Container({
      containerId: `c-${number.toString(16).padStart(12, '0')}` as ContainerId,
      sandboxId: 'vm-00000000' as SandboxId,
      tenantId: 'acme' as TenantId,
      functionId: 'html' as FunctionId,
      imageDigest: digest,
      zone: { zoneId: number as ZoneId } as LedgerZone,
      zoneNow: () => null,
      address: '',
      memoryBytes: 1,
      role,
      cold: false,
      placementReason: '',
      labels: [],
      createdAt: new Date(0),
    });
  }

  start(digest = 'sha256:one', change: Partial<PlaceRequest> = {}): Start {
    return {
      container: this.container(digest),
      image: {
        disk: { digest, path: '' },
        zygote: { kind: 'command', command: ['zygote'] },
      } as unknown as PreparedImage,
      request: { startMode: 'AUTO', command: null, ...change } as PlaceRequest,
      readyTimeoutMs: 1,
      clock: new StageClock(),
      signal: new AbortController().signal,
      waitsForVm: false,
    };
  }

  /** A whole start; `fallback` is what the guest says. */
  async run(start: Start, fallback = ''): Promise<Container> {
    await this.zygotes.choose(start);
    this.zygotes.started(start, fallback);
    await settled();
    return start.container;
  }
}

t.test('the second container shares the zygote that was made after the first', async (t) => {
  const vm = new Vm();
  const first = await vm.run(vm.start());
  t.equal(first.view().startKind, 'WARM_SANDBOX');
  t.match(vm.zygotes.views(), [{ state: 'READY', children: 0, forks: 0 }]);
  const second = await vm.run(vm.start());
  t.equal(second.view().startKind, 'ZYGOTE');
  t.equal(second.view().zygoteId, vm.zygotes.views()[0]?.zygoteId);
  t.match(vm.zygotes.views(), [{ state: 'READY', children: 1, forks: 1, runtime: 'python 3.13' }]);
});

t.test('starts side by side make one zygote', async (t) => {
  const vm = new Vm();
  const starts = [vm.start(), vm.start(), vm.start()];
  await Promise.all(starts.map((start) => vm.run(start)));
  t.equal(vm.zygotes.views().length, 1);
});

t.test('who asks for a zygote waits until it is ready', async (t) => {
  const vm = new Vm();
  let open = () => {};
  vm.gate = new Promise((resolve) => {
    open = resolve;
  });
  const start = vm.start('sha256:one', { startMode: 'ZYGOTE' });
  const running = vm.run(start);
  await settled();
  t.match(vm.zygotes.views(), [{ state: 'STARTING' }]);
  open();
  t.equal((await running).view().startKind, 'ZYGOTE');
  t.match(start.clock.stages(), [{ name: 'zygote' }], 'and is told how long');
  const next = vm.start('sha256:one', { startMode: 'ZYGOTE' });
  await vm.run(next);
  t.strictSame(next.clock.stages(), [], 'the next one finds it');
});

t.test('without room there is no zygote: crun for most, an error for who asks', async (t) => {
  const vm = new Vm();
  vm.room = false;
  t.equal((await vm.run(vm.start())).view().zygoteId, null);
  t.strictSame(vm.zygotes.views(), []);
  await t.rejects(vm.zygotes.choose(vm.start('sha256:one', { startMode: 'ZYGOTE' })), {
    code: 'FAILED_PRECONDITION',
    message: /no room/,
  });
});

t.test('a function that refuses is not asked again, and starts say why', async (t) => {
  const vm = new Vm();
  vm.failure = new CzoneError('FAILED_PRECONDITION', 'It can’t be a zygote: threads run.');
  await vm.run(vm.start());
  t.match((await vm.run(vm.start())).startReason, /threads run/);
  t.strictSame(vm.zygotes.views(), []);
});

t.test('a zygote that the guest can’t fork is given up after a few tries', async (t) => {
  const vm = new Vm();
  await vm.run(vm.start());
  for (let n = 0; n < FAILURES_MAX; n++) {
    const container = await vm.run(vm.start(), 'ENOTTY');
    t.equal(container.view().startKind, 'WARM_SANDBOX');
    t.match(container.startReason, /could not fork it: ENOTTY/);
  }
  await settled();
  t.equal(vm.stopped.length, 1);
  t.match((await vm.run(vm.start())).startReason, /ENOTTY/);
  t.strictSame(vm.zygotes.views(), []);
});

t.test('an ended zygote drains until its last child has ended', async (t) => {
  const vm = new Vm();
  await vm.run(vm.start());
  const child = await vm.run(vm.start());
  const { zygote } = child;
  if (zygote === null) throw new Error('it was not forked');
  await vm.zygotes.drop(zygote, 'it was stopped');
  t.match(vm.zygotes.views(), [{ state: 'DRAINING', children: 1, reason: 'it was stopped' }]);
  const next = await vm.run(vm.start());
  t.equal(next.view().zygoteId, null, 'nobody new shares it');
  vm.zygotes.childEnded(child);
  await settled();
  t.notOk(vm.zygotes.views().some(({ state }) => state === 'DRAINING'));
});

t.test('a newer revision takes the place of the one before', async (t) => {
  const vm = new Vm();
  await vm.run(vm.start('sha256:one'));
  await vm.run(vm.start('sha256:two'));
  await settled();
  t.strictSame(vm.stopped, ['its function has a newer revision']);
  t.match(vm.zygotes.views(), [{ imageDigest: 'sha256:two', state: 'READY' }]);
});

t.test('a node that is full drops what nobody shares, the longest unused first', async (t) => {
  const [one, other] = [new Vm(), new Vm()];
  await one.run(one.start());
  await one.run(one.start());
  t.equal(await dropOneZygote([one]), false, 'its child shares it');
  await other.run(other.start());
  t.equal(await dropOneZygote([one, other]), true);
  t.strictSame(other.stopped, ['the node needs its memory']);
  t.equal(await dropOneZygote([one, other]), false);
});

t.test('a node without zygotes makes none', async (t) => {
  const vm = new Vm(false);
  await vm.run(vm.start());
  t.strictSame(vm.zygotes.views(), []);
});
