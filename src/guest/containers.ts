// SPDX-License-Identifier: Apache-2.0
// The containers of this sandbox: at most one of an id, a zone and an address.
import { CzoneError, messageOf } from '../protocol/errors.js';
import type {
  ContainerExit,
  Container as ContainerMessage,
  StartContainerResponse,
} from '../protocol/gen/czone/guest/v1/agent.js';
import {
  ContainerRole,
  ContainerState,
  StartMethod,
} from '../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId } from '../protocol/ids.js';
import { INSPECTED_PROCESSES_MAX } from '../protocol/limits.js';
import { Container, type State } from './container.js';
import { forgetContainer } from './crun.js';
import type { NamespaceName } from './network.js';
import { type ProcessPlacement, readPlacement } from './placement.js';
import type { ContainerSpec } from './request.js';
import type { Way } from './start-container.js';
import type { Surroundings } from './surroundings.js';

const STATES: Readonly<Record<State, ContainerState>> = {
  starting: ContainerState.CONTAINER_STATE_STARTING,
  running: ContainerState.CONTAINER_STATE_RUNNING,
  paused: ContainerState.CONTAINER_STATE_PAUSED,
  stopping: ContainerState.CONTAINER_STATE_STOPPING,
  ended: ContainerState.CONTAINER_STATE_EXITED,
};

const ROLES: Readonly<Record<Container['role'], ContainerRole>> = {
  function: ContainerRole.CONTAINER_ROLE_FUNCTION,
  zygote: ContainerRole.CONTAINER_ROLE_ZYGOTE,
};

/** What the agent service needs of it. */
export interface Runtime {
  start(spec: ContainerSpec): Promise<StartContainerResponse>;
  /** null: there is and was none. */
  stop(id: ContainerId, graceMs: number): Promise<ContainerExit | null>;
  pause(id: ContainerId): Promise<void>;
  resume(id: ContainerId): Promise<void>;
  reclaim(
    id: ContainerId,
    bytes: number,
  ): Promise<{ reclaimedBytes: number; swappedBytes: number }>;
  list(): Promise<ContainerMessage[]>;
  inspect(id: ContainerId): Promise<ProcessPlacement[]>;
}

export class Containers implements Runtime {
  readonly #around: Surroundings;
  readonly #containers = new Map<ContainerId, Container>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async start(spec: ContainerSpec): Promise<StartContainerResponse> {
    this.#checkFree(spec);
    const way = this.#wayOf(spec);
    const container = this.#add(spec.id, { ...spec, namespace: null });
    const { stages, method, fallbackReason, runtime } = await container.start(spec, way);
    return {
      pid: container.pid,
      stages,
      method: method === 'zygote' ? StartMethod.START_METHOD_ZYGOTE : StartMethod.START_METHOD_CRUN,
      fallbackReason,
      runtime,
    };
  }

  async stop(id: ContainerId, graceMs: number): Promise<ContainerExit | null> {
    const container = this.#containers.get(id);
    return container ? container.stop(graceMs) : this.#around.events.exitOf(id);
  }

  pause(id: ContainerId): Promise<void> {
    return this.#get(id).pause();
  }

  resume(id: ContainerId): Promise<void> {
    return this.#get(id).resume();
  }

  reclaim(
    id: ContainerId,
    bytes: number,
  ): Promise<{ reclaimedBytes: number; swappedBytes: number }> {
    return this.#get(id).cgroup.reclaim(bytes);
  }

  list(): Promise<ContainerMessage[]> {
    return Promise.all(Array.from(this.#containers.values(), describe));
  }

  async inspect(id: ContainerId): Promise<ProcessPlacement[]> {
    const container = this.#get(id);
    // It may grow while one looks; these addresses are its own in any case.
    const { addr, sizeBytes, limitBytes } = container.zoneInfo();
    const zone = { addr, sizeBytes: Math.max(sizeBytes, limitBytes) };
    const placements: ProcessPlacement[] = [];
    const pids = await container.cgroup.pids();
    for (const pid of pids.slice(0, INSPECTED_PROCESSES_MAX)) {
      try {
        placements.push(await readPlacement(this.#around.procRoot, pid, zone));
      } catch (error) {
        // Processes come and go while one looks.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
      }
    }
    return placements;
  }

  /**
   * After a restart of the daemon: takes over the containers that its predecessor
   * started, and takes away what belongs to none.
   */
  async adopt(): Promise<void> {
    const { bundles, cgroups, network, crunStateRoot, complain } = this.#around;
    const namespaces = new Set<NamespaceName>();
    for (const id of await bundles.list()) {
      const state = await bundles.of(id).readState();
      if (state === null) continue;
      if (state.namespace !== null) namespaces.add(state.namespace);
      const container = this.#add(id, state);
      const frozen = await container.cgroup.frozen();
      await container.adopt(frozen);
    }
    const unused = (await network.list()).filter((name) => !namespaces.has(name));
    for (const name of unused) {
      await network.remove(name).catch((error: unknown) => complain(messageOf(error)));
    }
    const strangers = [...(await bundles.list()), ...(await cgroups.list())].filter(
      (id) => !this.#containers.has(id),
    );
    for (const id of new Set(strangers)) {
      complain(`Taking away what is left of container ${id}, of which nothing is known.`);
      try {
        const cgroup = cgroups.of(id);
        await cgroup.kill();
        await cgroup.whenEmpty();
        await cgroup.remove();
        await forgetContainer(crunStateRoot, id);
        await bundles.of(id).remove();
      } catch (error) {
        complain(`Container ${id}: ${messageOf(error)}`);
      }
    }
  }

  #add(id: ContainerId, state: ConstructorParameters<typeof Container>[1]): Container {
    const release = () => this.#containers.delete(id);
    const container = new Container(id, state, this.#around, release);
    this.#containers.set(id, container);
    return container;
  }

  #wayOf({ zygoteId }: ContainerSpec): Way {
    if (zygoteId === null) return { by: 'crun', whyNoZygote: '' };
    const zygote = this.#containers.get(zygoteId);
    const channel = zygote?.channel ?? null;
    if (channel !== null) return { by: 'zygote', channel };
    const whyNoZygote =
      zygote?.role === 'zygote'
        ? `zygote ${zygoteId} is ${zygote.state}`
        : `there is no zygote ${zygoteId} in this sandbox`;
    return { by: 'crun', whyNoZygote };
  }

  #get(id: ContainerId): Container {
    const container = this.#containers.get(id);
    if (!container)
      throw new CzoneError('NOT_FOUND', `There is no container ${id} in this sandbox.`);
    return container;
  }

  #checkFree(spec: ContainerSpec): void {
    if (this.#containers.has(spec.id) || this.#around.events.exitOf(spec.id)) {
      throw new CzoneError('ALREADY_EXISTS', `Container ${spec.id} is or was in this sandbox.`);
    }
    for (const other of this.#containers.values()) {
      const shared =
        other.zoneId === spec.zoneId
          ? `zone ${spec.zoneId}`
          : other.address === spec.address && spec.address !== ''
            ? `address ${spec.address}`
            : null;
      if (shared === null) continue;
      throw new CzoneError(
        'FAILED_PRECONDITION',
        `Container ${spec.id} can't have ${shared}: container ${other.id} has it.`,
      );
    }
  }
}

async function describe(container: Container): Promise<ContainerMessage> {
  return {
    containerId: container.id,
    zoneId: container.zoneId,
    pid: container.pid,
    state: STATES[container.state],
    role: ROLES[container.role],
    memoryCurrentBytes: BigInt(await container.cgroup.memoryCurrentBytes()),
  };
}
