// SPDX-License-Identifier: Apache-2.0
// The guest's service and the host's connection with it, joined by a stream that
// behaves as a virtio-serial port behind QEMU's socket does: the guest's end stays
// when the host's goes.
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { serveAgent } from '../../src/guest/agent-server.js';
import type { Runtime } from '../../src/guest/containers.js';
import { Events } from '../../src/guest/events.js';
import type { ContainerSpec } from '../../src/guest/request.js';
import { AgentLink } from '../../src/host/agent/agent-link.js';
import { CzoneError } from '../../src/protocol/errors.js';
import {
  type ContainerExit,
  ContainerRole,
  ContainerState,
  ExitReason,
  type ListContainersResponse,
  StartMethod,
} from '../../src/protocol/gen/czone/guest/v1/agent.js';
import { startRequest } from '../guest/start-request.js';
import { join as joinStreams, PipeEnd } from '../protocol/link/stream-pair.js';

const ID = startRequest().containerId;
const whole = () => 65536;

function exitOf(containerId: string): ContainerExit {
  return { containerId, zoneId: 7, reason: ExitReason.EXIT_REASON_EXITED, exitCode: 3, signal: 0 };
}

class FakeRuntime implements Runtime {
  readonly started: ContainerSpec[] = [];
  failure: Error | null = null;

  async start(spec: ContainerSpec) {
    if (this.failure) throw this.failure;
    this.started.push(spec);
    return {
      pid: 42,
      stages: [{ name: 'network', durationUs: 1000n }],
      method: StartMethod.START_METHOD_CRUN,
      fallbackReason: '',
      runtime: '',
    };
  }
  async stop() {
    return null;
  }
  async pause() {}
  async resume() {}
  async reclaim(_id: string, bytes: number) {
    return { reclaimedBytes: bytes - 4096, swappedBytes: 8192 };
  }
  async list() {
    return this.started.map(({ id, zoneId }) => ({
      containerId: id,
      zoneId,
      pid: 42,
      state: ContainerState.CONTAINER_STATE_RUNNING,
      memoryCurrentBytes: 4096n,
      role: ContainerRole.CONTAINER_ROLE_FUNCTION,
    }));
  }
  async inspect() {
    const anonymous = { inZone: 5, outside: 0 };
    const none = { inZone: 0, outside: 0 };
    return [
      {
        pid: 42,
        name: 'fn',
        zoneId: 7,
        anonymous,
        text: none,
        file: none,
        textFrames: [9],
        truncated: false,
      },
    ];
  }
}

/** A guest with its port, and QEMU's socket before it. */
class FakeVm {
  readonly runtime = new FakeRuntime();
  events = new Events();
  readonly #port = new PipeEnd(whole);
  readonly #server: net.Server;
  #guest = new PipeEnd(whole);
  #socket: net.Socket | null = null;

  constructor(socketPath: string) {
    this.#port.on('data', (chunk: Buffer) => this.#socket?.write(chunk));
    this.#server = net.createServer((socket) => {
      this.#socket = socket;
      socket.on('data', (chunk: Buffer) => this.#port.write(chunk));
      socket.on('error', () => {});
    });
    this.#server.listen(socketPath);
    this.startDaemon();
  }

  startDaemon(): void {
    this.#guest.destroy();
    this.#guest = new PipeEnd(whole);
    joinStreams(this.#port, this.#guest);
    serveAgent(this.#guest, {
      runtime: this.runtime,
      events: this.events,
      getInfo: async () => ({
        daemonVersion: '1',
        kernelRelease: 'k',
        bootId: 'b',
        instanceId: 'i',
        memory: null,
      }),
      onAnswered: () => {},
    });
  }

  dropHost(): void {
    this.#socket?.destroy();
  }

  end(): void {
    this.#socket?.destroy();
    this.#server.close();
    this.#guest.destroy();
    this.#port.destroy();
  }
}

interface Heard {
  readonly ups: ListContainersResponse[];
  readonly downs: string[];
  readonly exits: string[];
  text: string;
}

async function connected(t: Test): Promise<{ vm: FakeVm; link: AgentLink; heard: Heard }> {
  // A short path: a socket's has 107 characters at most.
  const directory = await mkdtemp(join(tmpdir(), 'cz-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const socketPath = join(directory, 's');
  const vm = new FakeVm(socketPath);
  const heard: Heard = { ups: [], downs: [], exits: [], text: '' };
  const link = new AgentLink({
    socketPath,
    listeners: {
      onUp: (_info, snapshot) => heard.ups.push(snapshot),
      onExit: ({ containerId }) => heard.exits.push(containerId),
      onLog: ({ data }) => {
        heard.text += Buffer.from(data).toString();
      },
      onDown: (reason) => heard.downs.push(reason),
      onGivenUp: () => {},
    },
  });
  t.teardown(() => {
    link.close();
    vm.end();
  });
  link.start(20_000);
  await link.whenUp(20_000);
  return { vm, link, heard };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

t.test('a call passes from the host to the guest and back', async (t) => {
  const { vm, link } = await connected(t);
  const response = await link.client.startContainer(startRequest());
  t.match(response, { pid: 42, stages: [{ name: 'network', durationUs: 1000n }] });
  t.match(vm.runtime.started, [{ id: ID, zoneId: 7, port: 8080, memoryBytes: 64 * 1024 * 1024 }]);
  t.match(await link.client.inspectContainer(ID), {
    processes: [{ anonymous: { inZone: 5n }, textFrames: [9n] }],
  });
  t.equal(await link.client.stopContainer(ID, 0), null);
});

t.test('an error keeps its code and its words', async (t) => {
  const { vm, link } = await connected(t);
  vm.runtime.failure = new CzoneError('ABORTED', 'Container c ended. Its last words:\nno flask');
  await t.rejects(link.client.startContainer(startRequest()), {
    code: 'ABORTED',
    message: /no flask/,
  });
  await t.rejects(link.client.startContainer(startRequest({ zoneId: 0 })), {
    code: 'INVALID_ARGUMENT',
    message: /zone_id/,
  });
});

t.test('a request that is too large is refused, and the next is served', async (t) => {
  const { link } = await connected(t);
  const environment = Array.from({ length: 200 }, (_, at) => ({
    name: `A${at}`,
    value: 'x'.repeat(8000),
  }));
  await t.rejects(link.client.startContainer(startRequest({ environment })));
  t.match(await link.client.startContainer(startRequest()), { pid: 42 });
});

t.test('output and exits are told', async (t) => {
  const { vm, heard } = await connected(t);
  const words = 'x'.repeat(50_000);
  vm.events.logsOf(ID)[0].append(Buffer.from(words));
  vm.events.exit(exitOf(ID));
  await until(() => heard.exits.length > 0);
  t.equal(heard.text, words);
  t.strictSame(heard.exits, [ID]);
});

t.test('a host that lost its connection hears again of what it may have missed', async (t) => {
  const { vm, link, heard } = await connected(t);
  await link.client.startContainer(startRequest());
  vm.dropHost();
  vm.events.exit(exitOf('c-ffffffffffff'));
  await until(() => heard.ups.length === 2 && heard.exits.length > 0);
  t.match(heard.ups[1], { containers: [{ containerId: ID, pid: 42 }] });
  t.equal(heard.exits.at(-1), 'c-ffffffffffff');
});

t.test('a daemon that started anew is found at once', async (t) => {
  const { vm, link, heard } = await connected(t);
  vm.events = new Events();
  vm.startDaemon();
  await until(() => heard.ups.length === 2);
  t.equal(heard.downs.length, 1);
  t.match(await link.client.getInfo(), { bootId: 'b' });
});
