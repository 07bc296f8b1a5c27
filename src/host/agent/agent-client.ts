// SPDX-License-Identifier: Apache-2.0
// The calls of one session with a guest daemon. Every one but the watch has a deadline.
import type { Duplex } from 'node:stream';
import {
  AgentServiceDefinition,
  type ContainerExit,
  type GetInfoResponse,
  type InspectContainerResponse,
  type ListContainersResponse,
  type ReclaimContainerResponse,
  type StartContainerRequest,
  type StartContainerResponse,
  type WatchResponse,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import { CallClient } from '../../protocol/rpc/client.js';
import type { Method } from '../../protocol/rpc/method.js';
import { LIMITS } from '../limits.js';
import { agentError } from './agent-error.js';

const { methods } = AgentServiceDefinition;

export class AgentClient {
  readonly #calls: CallClient;

  constructor(session: Duplex) {
    this.#calls = new CallClient(session, {
      answerMaxBytes: LIMITS.agentMessageBytes,
      pingMs: LIMITS.agentPingMs,
      pongMs: LIMITS.agentPingMs,
    });
  }

  getInfo(timeoutMs: number = LIMITS.agentCallMs): Promise<GetInfoResponse> {
    return this.#call('the guest daemon does not answer', methods.getInfo, {}, timeoutMs);
  }

  startContainer(request: StartContainerRequest): Promise<StartContainerResponse> {
    const timeoutMs = request.readyTimeoutMs + LIMITS.agentSlackMs;
    const what = `container ${request.containerId}`;
    return this.#call(what, methods.startContainer, request, timeoutMs);
  }

  /** null: the guest has no such container. */
  async stopContainer(containerId: string, graceMs: number): Promise<ContainerExit | null> {
    const timeoutMs = graceMs + LIMITS.agentSlackMs;
    const request = { containerId, graceMs };
    const what = `container ${containerId}`;
    return (await this.#call(what, methods.stopContainer, request, timeoutMs)).exit;
  }

  async pauseContainer(containerId: string): Promise<void> {
    await this.#call(`container ${containerId}`, methods.pauseContainer, { containerId });
  }

  async resumeContainer(containerId: string): Promise<void> {
    await this.#call(`container ${containerId}`, methods.resumeContainer, { containerId });
  }

  /** Up to so many bytes of cold memory. */
  reclaimContainer(containerId: string, bytes: number): Promise<ReclaimContainerResponse> {
    const request = { containerId, bytes: BigInt(bytes) };
    const what = `container ${containerId}`;
    return this.#call(what, methods.reclaimContainer, request, LIMITS.coldReclaimMs);
  }

  inspectContainer(containerId: string): Promise<InspectContainerResponse> {
    return this.#call(`container ${containerId}`, methods.inspectContainer, { containerId });
  }

  listContainers(): Promise<ListContainersResponse> {
    return this.#call('list of containers', methods.listContainers, {});
  }

  /** Its end, however it comes, is the news that the session is over. */
  watch(onEvent: (response: WatchResponse) => void): Promise<void> {
    return this.#calls.stream(methods.watch, {}, onEvent);
  }

  close(): void {
    this.#calls.close();
  }

  async #call<Request, Response>(
    what: string,
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number = LIMITS.agentCallMs,
  ): Promise<Response> {
    try {
      return await this.#calls.call(method, request, timeoutMs);
    } catch (error) {
      throw agentError(what, error);
    }
  }
}
