// SPDX-License-Identifier: Apache-2.0
// One gRPC session with a guest daemon. Every call has a deadline.
import { type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  AgentServiceClient,
  type ContainerExit,
  type GetInfoResponse,
  type InspectContainerResponse,
  type ListContainersResponse,
  type ReclaimContainerResponse,
  type StartContainerRequest,
  type StartContainerResponse,
  type WatchResponse,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import { LIMITS } from '../limits.js';
import { agentError } from './agent-error.js';

type Callback<Response> = (error: ServiceError | null, response: Response) => void;

export class AgentClient {
  readonly #client: AgentServiceClient;

  constructor(target: string) {
    this.#client = new AgentServiceClient(target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': LIMITS.agentMessageBytes,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      // A daemon that hangs ends the watch, and with it the session.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 30_000,
      'grpc.default_authority': 'czone.agent',
    });
  }

  getInfo(timeoutMs: number = LIMITS.agentCallMs): Promise<GetInfoResponse> {
    return this.#call('the guest daemon does not answer', timeoutMs, (options, done) =>
      this.#client.getInfo({}, new Metadata(), options, done),
    );
  }

  startContainer(request: StartContainerRequest): Promise<StartContainerResponse> {
    const timeoutMs = request.readyTimeoutMs + LIMITS.agentSlackMs;
    return this.#call(`container ${request.containerId}`, timeoutMs, (options, done) =>
      this.#client.startContainer(request, new Metadata(), options, done),
    );
  }

  /** null: the guest has no such container. */
  async stopContainer(containerId: string, graceMs: number): Promise<ContainerExit | null> {
    const response = await this.#call<{ exit: ContainerExit | null }>(
      `container ${containerId}`,
      graceMs + LIMITS.agentSlackMs,
      (options, done) =>
        this.#client.stopContainer({ containerId, graceMs }, new Metadata(), options, done),
    );
    return response.exit;
  }

  async pauseContainer(containerId: string): Promise<void> {
    await this.#call<unknown>(`container ${containerId}`, LIMITS.agentCallMs, (options, done) =>
      this.#client.pauseContainer({ containerId }, new Metadata(), options, done),
    );
  }

  async resumeContainer(containerId: string): Promise<void> {
    await this.#call<unknown>(`container ${containerId}`, LIMITS.agentCallMs, (options, done) =>
      this.#client.resumeContainer({ containerId }, new Metadata(), options, done),
    );
  }

  /** Up to so many bytes of cold memory. */
  reclaimContainer(containerId: string, bytes: number): Promise<ReclaimContainerResponse> {
    const request = { containerId, bytes: BigInt(bytes) };
    return this.#call(`container ${containerId}`, LIMITS.coldReclaimMs, (options, done) =>
      this.#client.reclaimContainer(request, new Metadata(), options, done),
    );
  }

  inspectContainer(containerId: string): Promise<InspectContainerResponse> {
    return this.#call(`container ${containerId}`, LIMITS.agentCallMs, (options, done) =>
      this.#client.inspectContainer({ containerId }, new Metadata(), options, done),
    );
  }

  listContainers(): Promise<ListContainersResponse> {
    return this.#call('list of containers', LIMITS.agentCallMs, (options, done) =>
      this.#client.listContainers({}, new Metadata(), options, done),
    );
  }

  /** Has no deadline: its end is the news that the session is over. */
  watch(): ClientReadableStream<WatchResponse> {
    return this.#client.watch({});
  }

  close(): void {
    this.#client.close();
  }

  #call<Response>(
    what: string,
    timeoutMs: number,
    start: (options: { deadline: number }, done: Callback<Response>) => unknown,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const callback: Callback<Response> = (error, response) => {
        if (error === null) resolve(response);
        else reject(agentError(what, error));
      };
      start({ deadline: Date.now() + timeoutMs }, callback);
    });
  }
}
