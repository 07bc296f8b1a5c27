// SPDX-License-Identifier: Apache-2.0
// What the guest daemon reports of the containers of its VM. None of it is believed
// for a container that the controller does not know.
import type {
  ContainerExit as GuestExit,
  ListContainersResponse,
  LogChunk,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId } from '../../protocol/ids.js';
import type { AgentLink } from '../agent/agent-link.js';
import type { Container } from '../containers/container.js';
import { readExit, UNKNOWN_EXIT } from '../containers/exits.js';
import type { ContainerExit } from '../controller-api.js';
import type { ContainerLogs } from '../logs/container-logs.js';

/** What reports are about: a sandbox. */
export interface Reported {
  readonly containers: ReadonlyMap<ContainerId, Container>;
  readonly logs: ContainerLogs;
  agent(): AgentLink;
  finish(container: Container, exit: ContainerExit): Promise<void>;
  settle(container: Container): void;
}

/** The daemon answers, for the first time or again: `snapshot` is what it has. */
export function takeSnapshot(sandbox: Reported, snapshot: ListContainersResponse): void {
  const there = new Set(snapshot.containers.map((container) => container.containerId));
  for (const container of sandbox.containers.values()) {
    if (container.state !== 'RUNNING' && container.state !== 'PAUSED') continue;
    if (!there.has(container.id)) void sandbox.finish(container, UNKNOWN_EXIT);
  }
  for (const containerId of there) {
    if (find(sandbox, containerId) !== undefined) continue;
    // A start that was given up while the daemon was away.
    sandbox
      .agent()
      .client.stopContainer(containerId, 0)
      .catch(() => {});
  }
}

export function takeExit(sandbox: Reported, exit: GuestExit): void {
  const container = find(sandbox, exit.containerId);
  if (container === undefined) return;
  container.reportedExit = readExit(exit);
  // A start or stop under way comes first: it may hear of it by its own call.
  sandbox.settle(container);
}

export function takeLog(sandbox: Reported, chunk: LogChunk): void {
  const container = find(sandbox, chunk.containerId);
  if (container === undefined) return;
  sandbox.logs.append(container.id, chunk.data, Number(chunk.droppedBytes));
}

function find(sandbox: Reported, containerId: string): Container | undefined {
  return sandbox.containers.get(containerId as ContainerId);
}
