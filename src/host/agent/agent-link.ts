// SPDX-License-Identifier: Apache-2.0
// The controller's connection with one guest daemon, kept up while the VM lives: a
// session of the link, calls on it, and the watch whose end says that it is over.
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../../protocol/errors.js';
import type {
  ContainerExit,
  GetInfoResponse,
  ListContainersResponse,
  LogChunk,
  WatchResponse,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import { LinkClient } from '../../protocol/link/client.js';
import { LIMITS } from '../limits.js';
import { AgentClient } from './agent-client.js';

export interface AgentListeners {
  /** A session is up; what the daemon knows at its beginning. */
  readonly onUp: (info: GetInfoResponse, snapshot: ListContainersResponse) => void;
  readonly onExit: (exit: ContainerExit) => void;
  readonly onLog: (chunk: LogChunk) => void;
  /** The session was lost; a new one is being tried. */
  readonly onDown: (reason: string) => void;
  /** It stayed away for too long. The link is closed. */
  readonly onGivenUp: (reason: string) => void;
}

interface Session {
  readonly client: AgentClient;
  readonly stream: Duplex;
}

export class AgentLink {
  readonly #socketPath: string;
  readonly #listeners: AgentListeners;
  readonly #upWaiters = new Set<(error: CzoneError | null) => void>();
  #client: AgentClient | null = null;
  #session: Session | null = null;
  #socket: net.Socket | null = null;
  #closed = false;

  constructor(options: { socketPath: string; listeners: AgentListeners }) {
    this.#socketPath = options.socketPath;
    this.#listeners = options.listeners;
  }

  /** Begins to connect; the first answer may take until the guest has booted. */
  start(firstAnswerMs: number): void {
    void this.#run(firstAnswerMs);
  }

  /** UNAVAILABLE while there is no session. */
  get client(): AgentClient {
    if (this.#client === null) {
      throw new CzoneError('UNAVAILABLE', 'the guest daemon is away');
    }
    return this.#client;
  }

  get up(): boolean {
    return this.#client !== null;
  }

  /** Until a session is up. Rejects when that takes too long or the link is closed. */
  whenUp(timeoutMs: number): Promise<void> {
    if (this.up) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (error: CzoneError | null) => {
        clearTimeout(timer);
        this.#upWaiters.delete(done);
        if (error === null) resolve();
        else reject(error);
      };
      const timer = setTimeout(
        () =>
          done(new CzoneError('UNAVAILABLE', `the guest daemon stayed away for ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#upWaiters.add(done);
      if (this.#closed) done(closedError());
    });
  }

  /** The daemon is known to be gone: does not wait until a new one says so. */
  interrupt(): void {
    this.#session?.stream.destroy();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    this.#socket?.destroy();
    for (const waiter of [...this.#upWaiters]) waiter(closedError());
  }

  async #run(firstAnswerMs: number): Promise<void> {
    let deadline = performance.now() + firstAnswerMs;
    let pauseMs: number = LIMITS.reconnectFirstMs;
    let reason = 'it never answered';
    let link: LinkClient | null = null;
    while (!this.#closed) {
      try {
        link ??= await this.#dial();
        const session = await this.#openSession(link, Math.max(deadline - performance.now(), 1));
        pauseMs = LIMITS.reconnectFirstMs;
        reason = await session.ended;
        if (this.#closed) return;
        deadline = performance.now() + LIMITS.agentAwayMs;
        this.#drop();
        this.#listeners.onDown(reason);
      } catch (error) {
        reason = messageOf(error);
        this.#drop();
      }
      if (this.#closed) return;
      if (this.#socket?.destroyed !== false) link = null;
      if (performance.now() > deadline) {
        this.close();
        this.#listeners.onGivenUp(reason);
        return;
      }
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LIMITS.reconnectMaxMs);
    }
  }

  async #dial(): Promise<LinkClient> {
    const socket = net.createConnection(this.#socketPath);
    // Held, so that close() can end a dial under way.
    this.#socket = socket;
    socket.on('error', () => {});
    await once(socket, 'connect');
    return new LinkClient(socket);
  }

  /** Resolves when the session is up, with a promise of why it ended. */
  async #openSession(link: LinkClient, timeoutMs: number): Promise<{ ended: Promise<string> }> {
    const stream = await link.open(timeoutMs);
    const client = new AgentClient(stream);
    this.#session = { client, stream };
    const streamEnd = new Promise<string>((resolve) => {
      stream.once('error', (error) => resolve(error.message));
      stream.once('close', () => resolve('the session was closed'));
    });
    const info = await Promise.race([
      client.getInfo(),
      streamEnd.then((reason) => Promise.reject(new Error(reason))),
    ]);
    const watchEnd = this.#watch(client, info);
    return { ended: Promise.race([streamEnd, watchEnd]) };
  }

  /** Fulfilled when the watch is over. */
  #watch(client: AgentClient, info: GetInfoResponse): Promise<string> {
    const onEvent = ({ event }: WatchResponse) => {
      if (this.#session?.client !== client) return;
      switch (event?.$case) {
        case 'snapshot':
          this.#client = client;
          this.#listeners.onUp(info, event.value);
          for (const waiter of [...this.#upWaiters]) waiter(null);
          return;
        case 'exit':
          this.#listeners.onExit(event.value);
          return;
        case 'log':
          this.#listeners.onLog(event.value);
          return;
        case undefined:
          // What a newer daemon sends is not for us.
          return;
      }
    };
    return client.watch(onEvent).then(() => 'the daemon ended the watch', messageOf);
  }

  #drop(): void {
    this.#client = null;
    const session = this.#session;
    this.#session = null;
    session?.client.close();
    session?.stream.destroy();
  }
}

function closedError(): CzoneError {
  return new CzoneError('UNAVAILABLE', 'the VM of the guest daemon has ended');
}
