// SPDX-License-Identifier: Apache-2.0
// The one client of the node API: what the command line and the demo use. It
// gives the controller's own views back and throws CzoneErrors.
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import {
  type Client,
  type ClientUnaryCall,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import type {
  ContainerView,
  Label,
  NodeInfo,
  NodeMemory,
  ProcessPlacement,
  SandboxView,
  StartMode,
} from '../host/controller-api.js';
import { CzoneError } from '../protocol/errors.js';
import type { ReadLogsResponse } from '../protocol/gen/czone/node/v1/containers.js';
import {
  ContainersServiceClient,
  PlaceFunctionRequest,
} from '../protocol/gen/czone/node/v1/containers.js';
import { MemoryServiceClient } from '../protocol/gen/czone/node/v1/memory.js';
import { NodeServiceClient } from '../protocol/gen/czone/node/v1/node.js';
import { SandboxesServiceClient } from '../protocol/gen/czone/node/v1/sandboxes.js';
import type { Reclaimed } from './convert.js';
import { START_MODE } from './enums.js';
import { PAGE_SIZE_MAX, RESPONSE_MESSAGE_BYTES_MAX } from './limits.js';
import {
  number,
  readContainer,
  readMemory,
  readNodeInfo,
  readProcess,
  readReclaimed,
  readSandbox,
} from './read-message.js';
import { fromStatus } from './status.js';

export interface CallOptions {
  /** Cancels the call; it then fails with ABORTED. */
  readonly signal?: AbortSignal;
  /** 0: no deadline. */
  readonly timeoutMs?: number;
}

/** Plain strings, for the node checks them; a request id is made where none is given. */
export interface Placement {
  readonly tenantId: string;
  readonly functionId: string;
  readonly memoryBytes: number;
  /** Absolute path of an OCI layout on the node. */
  readonly image?: string;
  readonly command?: readonly string[];
  readonly environment?: readonly (readonly [name: string, value: string])[];
  readonly cpuMillis?: number;
  readonly labels?: readonly Label[];
  readonly readyTimeoutMs?: number;
  /** What it can use before its zone grows. */
  readonly initialMemoryBytes?: number;
  /** AUTO where none is given. */
  readonly startMode?: StartMode;
  readonly requestId?: string;
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<GrpcCallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** For calls that only read. */
const READ_TIMEOUT_MS = 30_000;

export class NodeClient {
  readonly socketPath: string;
  readonly #containers: ContainersServiceClient;
  readonly #sandboxes: SandboxesServiceClient;
  readonly #memory: MemoryServiceClient;
  readonly #node: NodeServiceClient;

  /** Connects at the first call. */
  constructor(socketPath: string) {
    this.socketPath = resolve(socketPath);
    const address = `unix:${this.socketPath}`;
    const options = { 'grpc.max_receive_message_length': RESPONSE_MESSAGE_BYTES_MAX };
    const insecure = credentials.createInsecure();
    this.#containers = new ContainersServiceClient(address, insecure, options);
    // One connection for all four services.
    const channelOverride = this.#containers.getChannel();
    const same = { ...options, channelOverride };
    this.#sandboxes = new SandboxesServiceClient(address, insecure, same);
    this.#memory = new MemoryServiceClient(address, insecure, same);
    this.#node = new NodeServiceClient(address, insecure, same);
  }

  async place(placement: Placement, options: CallOptions = {}): Promise<ContainerView> {
    if (!Number.isSafeInteger(placement.memoryBytes) || placement.memoryBytes < 0) {
      throw new CzoneError('INVALID_ARGUMENT', 'memory_bytes is not a number of bytes', {
        field: 'memory_bytes',
      });
    }
    const request = PlaceFunctionRequest.fromPartial({
      requestId: placement.requestId ?? randomUUID(),
      tenantId: placement.tenantId,
      functionId: placement.functionId,
      image: placement.image ?? '',
      command: [...(placement.command ?? [])],
      environment: (placement.environment ?? []).map(([name, value]) => ({ name, value })),
      memoryBytes: BigInt(placement.memoryBytes),
      cpuMillis: placement.cpuMillis ?? 0,
      labels: (placement.labels ?? []).map(({ key, value }) => ({ key, value })),
      readyTimeoutMs: placement.readyTimeoutMs ?? 0,
      initialMemoryBytes: BigInt(placement.initialMemoryBytes ?? 0),
      startMode: START_MODE[placement.startMode ?? 'AUTO'],
    });
    const response = await this.#call(
      this.#containers,
      this.#containers.placeFunction,
      options,
      0,
      request,
    );
    return readContainer(response.container);
  }

  /** All of them, over as many pages as it takes. */
  async containers(
    filter: { tenantId?: string; sandboxId?: string; includeExited?: boolean } = {},
    options: CallOptions = {},
  ): Promise<ContainerView[]> {
    const views: ContainerView[] = [];
    for (let pageToken = ''; ; ) {
      const response = await this.#call(
        this.#containers,
        this.#containers.listContainers,
        options,
        READ_TIMEOUT_MS,
        {
          pageSize: PAGE_SIZE_MAX,
          pageToken,
          tenantId: filter.tenantId ?? '',
          sandboxId: filter.sandboxId ?? '',
          includeExited: filter.includeExited ?? false,
        },
      );
      views.push(...response.containers.map(readContainer));
      pageToken = response.nextPageToken;
      if (pageToken === '') return views;
    }
  }

  /** `graceMs` 0: the node's default. */
  async stop(containerId: string, graceMs = 0, options: CallOptions = {}): Promise<ContainerView> {
    const request = { requestId: randomUUID(), containerId, graceMs };
    const response = await this.#call(
      this.#containers,
      this.#containers.stopContainer,
      options,
      0,
      request,
    );
    return readContainer(response.container);
  }

  async pause(containerId: string, options: CallOptions = {}): Promise<ContainerView> {
    const request = { requestId: randomUUID(), containerId };
    const response = await this.#call(
      this.#containers,
      this.#containers.pauseContainer,
      options,
      0,
      request,
    );
    return readContainer(response.container);
  }

  async resume(containerId: string, options: CallOptions = {}): Promise<ContainerView> {
    const request = { requestId: randomUUID(), containerId };
    const response = await this.#call(
      this.#containers,
      this.#containers.resumeContainer,
      options,
      0,
      request,
    );
    return readContainer(response.container);
  }

  /** Where the pages of the container's processes lie. */
  async inspect(containerId: string, options: CallOptions = {}): Promise<ProcessPlacement[]> {
    const request = { containerId };
    const response = await this.#call(
      this.#containers,
      this.#containers.inspectContainer,
      options,
      READ_TIMEOUT_MS,
      request,
    );
    return response.processes.map(readProcess);
  }

  /** What the container wrote, oldest first; with `follow` until it ends. */
  async *logs(
    containerId: string,
    options: { follow?: boolean; tailBytes?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array> {
    const call = this.#containers.readLogs({
      containerId,
      follow: options.follow ?? false,
      tailBytes: BigInt(options.tailBytes ?? 0),
    });
    const cancel = () => call.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
    if (options.signal?.aborted) cancel();
    try {
      for await (const message of call) yield (message as ReadLogsResponse).data;
    } catch (error) {
      throw fromStatus(error as ServiceError, this.socketPath);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  async sandboxes(options: CallOptions = {}): Promise<SandboxView[]> {
    const views: SandboxView[] = [];
    for (let pageToken = ''; ; ) {
      const request = { pageSize: PAGE_SIZE_MAX, pageToken };
      const response = await this.#call(
        this.#sandboxes,
        this.#sandboxes.listSandboxes,
        options,
        READ_TIMEOUT_MS,
        request,
      );
      views.push(...response.sandboxes.map(readSandbox));
      pageToken = response.nextPageToken;
      if (pageToken === '') return views;
    }
  }

  async deleteSandbox(
    sandboxId: string,
    options: CallOptions = {},
  ): Promise<{ returnedBytes: number }> {
    const request = { requestId: randomUUID(), sandboxId };
    const response = await this.#call(
      this.#sandboxes,
      this.#sandboxes.deleteSandbox,
      options,
      0,
      request,
    );
    return { returnedBytes: number(response.returnedBytes) };
  }

  /** null: the whole node. */
  async memory(sandboxId: string | null = null, options: CallOptions = {}): Promise<NodeMemory> {
    const request = { sandboxId: sandboxId ?? '' };
    return readMemory(
      await this.#call(this.#memory, this.#memory.getMemory, options, READ_TIMEOUT_MS, request),
    );
  }

  /** null: all of the node. `coldBytes`: first so much of each container's cold memory. */
  async reclaim(
    scope: { containerId: string } | { sandboxId: string } | null,
    options: CallOptions & { coldBytes?: number } = {},
  ): Promise<Reclaimed> {
    const coldBytes = BigInt(options.coldBytes ?? 0);
    const requestId = randomUUID();
    const request = { requestId, containerId: '', sandboxId: '', coldBytes, ...scope };
    return readReclaimed(
      await this.#call(this.#memory, this.#memory.reclaimMemory, options, 0, request),
    );
  }

  async info(options: CallOptions = {}): Promise<NodeInfo> {
    return readNodeInfo(
      await this.#call(this.#node, this.#node.getNodeInfo, options, READ_TIMEOUT_MS, {}),
    );
  }

  close(): void {
    this.#containers.close();
  }

  #call<Service extends Client, Request, Response>(
    service: Service,
    method: Method<Request, Response>,
    options: CallOptions,
    timeoutMs: number,
    request: Request,
  ): Promise<Response> {
    const limitMs = options.timeoutMs ?? timeoutMs;
    const { signal } = options;
    return new Promise((done, fail) => {
      const call = method.call(
        service,
        request,
        new Metadata(),
        limitMs > 0 ? { deadline: Date.now() + limitMs } : {},
        (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (error) fail(fromStatus(error, this.socketPath));
          else done(response);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }
}
