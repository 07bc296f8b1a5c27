// SPDX-License-Identifier: Apache-2.0
// The controller of one node: finds the container or VM that a call names and hands
// the work to it.
import { CzoneError } from '../protocol/errors.js';
import type { ContainerId, SandboxId } from '../protocol/ids.js';
import type { Container } from './containers/container.js';
import { readExit, UNKNOWN_EXIT } from './containers/exits.js';
import { stopInGuest } from './containers/stop-in-guest.js';
import type {
  ContainerState,
  ContainerView,
  Controller,
  NodeInfo,
  NodeMemory,
  PlaceRequest,
  ProcessPlacement,
  ReclaimedZone,
  ReclaimOptions,
  SandboxView,
} from './controller-api.js';
import type { EndedContainers } from './ended-containers.js';
import { readPlacements } from './inspection.js';
import { nodeMemory, zonesMemory } from './memory-view.js';
import { checkMemoryBytes, nodeRoom, type Placer, place } from './placement/place.js';
import { reclaimAll, reclaimContainer } from './reclaim.js';
import type { RememberedRequests } from './requests/remembered.js';
import type { Sandbox } from './sandbox/sandbox.js';

/** What does not change while the node runs. */
export type NodeFacts = Omit<NodeInfo, 'sandboxCount' | 'containerCount' | 'guestKernel'> & {
  readonly kernelRelease: string;
};

export interface NodeControllerParts {
  readonly placer: Placer;
  readonly facts: NodeFacts;
  readonly ended: EndedContainers;
  readonly requests: RememberedRequests<ContainerView>;
  /** After the last VM: gives the run directory back. */
  readonly release: () => Promise<void>;
}

export class NodeController implements Controller {
  readonly #parts: NodeControllerParts;
  readonly #sandboxes: Map<SandboxId, Sandbox>;
  #closing: Promise<void> | null = null;

  constructor(parts: NodeControllerParts) {
    this.#parts = parts;
    this.#sandboxes = parts.placer.sandboxes;
  }

  async place(request: PlaceRequest, signal: AbortSignal): Promise<ContainerView> {
    this.#checkOpen();
    checkMemoryBytes(request.memoryBytes, this.#parts.facts.sandboxRegionBytes);
    const { requestId, ...content } = request;
    return this.#parts.requests.run(requestId, content, signal, (live) =>
      place(this.#parts.placer, request, live),
    );
  }

  async stop(containerId: ContainerId, graceMs: number): Promise<ContainerView> {
    const { container, sandbox } = this.#find(containerId);
    if (sandbox === null) return container.view();
    if (container.isZygote) {
      await sandbox.zygotes.drop(container, 'it was stopped');
      return container.view();
    }
    return container.serial.run(async () => {
      const before = container.state;
      if (before === 'STARTING') {
        throw new CzoneError('FAILED_PRECONDITION', `${containerId} is starting: try again`);
      }
      if (before !== 'EXITED' && !sandbox.over) {
        container.state = 'STOPPING';
        try {
          const exit = await stopInGuest(sandbox, containerId, graceMs);
          void sandbox.finish(container, exit === null ? UNKNOWN_EXIT : readExit(exit));
        } catch (error) {
          // Still there, as far as anybody knows; unless its VM went meanwhile.
          if (!sandbox.over) {
            container.state = before;
            sandbox.settle(container);
            throw error;
          }
        }
      }
      if (sandbox.over) await sandbox.end();
      await container.finished;
      return container.view();
    });
  }

  async pause(containerId: ContainerId): Promise<ContainerView> {
    return this.#change(containerId, 'RUNNING', 'PAUSED', (sandbox) =>
      sandbox.agent().client.pauseContainer(containerId),
    );
  }

  async resume(containerId: ContainerId): Promise<ContainerView> {
    return this.#change(containerId, 'PAUSED', 'RUNNING', (sandbox) =>
      sandbox.agent().client.resumeContainer(containerId),
    );
  }

  async inspect(containerId: ContainerId): Promise<readonly ProcessPlacement[]> {
    const { sandbox } = this.#findLive(containerId);
    return readPlacements(await sandbox.agent().client.inspectContainer(containerId));
  }

  containers(): readonly ContainerView[] {
    const live = [...this.#sandboxes.values()].flatMap((sandbox) =>
      [...sandbox.containers.values()].filter(
        ({ state, isZygote }) => state !== 'EXITED' && !isZygote,
      ),
    );
    return [...this.#parts.ended.all(), ...live].map((container) => container.view());
  }

  sandboxes(): readonly SandboxView[] {
    const { facts } = this.#parts;
    return [...this.#sandboxes.values()].map((sandbox) => ({
      sandboxId: sandbox.sandboxId,
      tenantId: sandbox.tenantId,
      state: sandbox.state,
      vmmPid: sandbox.vmmPid,
      accelerator: facts.accelerator,
      bootMemoryBytes: facts.sandboxBootMemoryBytes,
      regionBytes: facts.sandboxRegionBytes,
      pluggedBytes: sandbox.ledger.sizeBytes,
      limitBytes: sandbox.ledger.limitBytes,
      containerCount: sandbox.liveCount,
      createdAt: sandbox.createdAt,
      zombies: zonesMemory(sandbox, ({ state }) => state === 'zombie'),
      zygotes: sandbox.zygotes.views(),
    }));
  }

  async deleteSandbox(sandboxId: SandboxId): Promise<{ returnedBytes: number }> {
    const sandbox = this.#sandboxes.get(sandboxId);
    return { returnedBytes: sandbox === undefined ? 0 : await sandbox.end() };
  }

  async reclaim(
    scope: { containerId: ContainerId } | { sandboxId: SandboxId } | null,
    options: ReclaimOptions,
  ): Promise<{ returnedBytes: number; zones: readonly ReclaimedZone[] }> {
    const zones: ReclaimedZone[] = [];
    if (scope !== null && 'containerId' in scope) {
      const { sandbox, container } = this.#findLive(scope.containerId);
      zones.push(await reclaimContainer(sandbox, container, options));
    } else {
      const sandboxes =
        scope === null ? this.#sandboxes.values() : [this.#sandbox(scope.sandboxId)];
      for (const sandbox of sandboxes) zones.push(...(await reclaimAll(sandbox, options)));
    }
    return { returnedBytes: zones.reduce((sum, zone) => sum + zone.returnedBytes, 0), zones };
  }

  memory(sandboxId: SandboxId | null): NodeMemory {
    const all = [...this.#sandboxes.values()];
    const { placer, facts } = this.#parts;
    const shown = sandboxId === null ? all : [this.#sandbox(sandboxId)];
    return nodeMemory(shown, facts.budgetBytes, nodeRoom(placer));
  }

  info(): NodeInfo {
    const { kernelRelease, ...facts } = this.#parts.facts;
    const sandboxes = [...this.#sandboxes.values()];
    const guestKernel = sandboxes.find((sandbox) => sandbox.guestKernel !== '')?.guestKernel;
    return {
      ...facts,
      guestKernel: guestKernel ?? kernelRelease,
      sandboxCount: sandboxes.length,
      containerCount: sandboxes.reduce((sum, sandbox) => sum + sandbox.liveCount, 0),
    };
  }

  read(
    containerId: ContainerId,
    options: { follow: boolean; tailBytes: number; signal: AbortSignal },
  ): AsyncIterable<Uint8Array> {
    return this.#parts.placer.environment.logs.read(containerId, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const endings = [...this.#sandboxes.values()].map((sandbox) => sandbox.end());
    await Promise.allSettled(endings);
    this.#parts.placer.environment.logs.removeAll();
    await this.#parts.release();
  }

  async #change(
    containerId: ContainerId,
    from: ContainerState,
    to: ContainerState,
    work: (sandbox: Sandbox) => Promise<void>,
  ): Promise<ContainerView> {
    const { container, sandbox } = this.#findLive(containerId);
    if (container.isZygote) {
      throw new CzoneError('FAILED_PRECONDITION', `${containerId} is a zygote and serves nobody`);
    }
    return container.serial.run(async () => {
      if (container.state === to) return container.view();
      if (container.state !== from) {
        throw new CzoneError(
          'FAILED_PRECONDITION',
          `container ${containerId} is ${container.state}, not ${from}`,
        );
      }
      await work(sandbox);
      // It may have ended while the guest was asked.
      if (container.state === from) container.state = to;
      sandbox.settle(container);
      return container.view();
    });
  }

  #find(containerId: ContainerId): { container: Container; sandbox: Sandbox | null } {
    for (const sandbox of this.#sandboxes.values()) {
      const container = sandbox.containers.get(containerId);
      if (container !== undefined) return { container, sandbox };
    }
    const container = this.#parts.ended.get(containerId);
    if (container !== undefined) return { container, sandbox: null };
    throw new CzoneError('NOT_FOUND', `this node has no container ${containerId}`);
  }

  #findLive(containerId: ContainerId): { container: Container; sandbox: Sandbox } {
    const { container, sandbox } = this.#find(containerId);
    if (sandbox === null || container.state === 'EXITED') {
      throw new CzoneError('FAILED_PRECONDITION', `container ${containerId} has ended`);
    }
    return { container, sandbox };
  }

  #sandbox(sandboxId: SandboxId): Sandbox {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) {
      throw new CzoneError('NOT_FOUND', `this node has no sandbox ${sandboxId}`);
    }
    return sandbox;
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new CzoneError('UNAVAILABLE', 'the node is stopping');
  }
}
