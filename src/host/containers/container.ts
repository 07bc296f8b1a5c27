// SPDX-License-Identifier: Apache-2.0
// What the controller knows of one container, and its states:
//
//   STARTING -> RUNNING     the guest daemon says that its port answers
//   STARTING -> (removed)   the start failed; nothing of it is left
//   RUNNING  -> PAUSED, PAUSED -> RUNNING
//   RUNNING, PAUSED -> STOPPING   a stop was asked for
//   any of them -> EXITED   it ended, or its VM did; the zone goes back after that
//
// The sandbox that holds the container moves it. Calls for one container run one
// after another (`serial`).
import type { ContainerId, FunctionId, SandboxId, TenantId } from '../../protocol/ids.js';
import type {
  ContainerExit,
  ContainerState,
  ContainerView,
  Label,
  MemoryReturn,
  Stage,
} from '../controller-api.js';
import type { LedgerZone } from '../ledger/ledger.js';
import { SerialQueue } from './serial-queue.js';

export interface ContainerFacts {
  readonly containerId: ContainerId;
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly functionId: FunctionId;
  readonly imageDigest: string;
  readonly zone: LedgerZone;
  readonly address: string;
  readonly memoryBytes: number;
  readonly startKind: 'COLD' | 'WARM_SANDBOX';
  readonly placementReason: string;
  readonly labels: readonly Label[];
  readonly createdAt: Date;
}

export class Container {
  readonly facts: ContainerFacts;
  readonly serial = new SerialQueue();
  state: ContainerState = 'STARTING';
  hostPort: number | null = null;
  stages: readonly Stage[] = [];
  guestPid = 0;
  plugGuestUs = 0;
  exit: ContainerExit | null = null;
  memoryReturn: MemoryReturn | null = null;
  /** What the guest reported while a call for the container was under way. */
  reportedExit: ContainerExit | null = null;
  /** Fulfilled when an ended container's zone was dealt with. null: it has not ended. */
  finished: Promise<void> | null = null;

  constructor(facts: ContainerFacts) {
    this.facts = facts;
  }

  get id(): ContainerId {
    return this.facts.containerId;
  }

  view(): ContainerView {
    const { zone, address: _address, ...facts } = this.facts;
    return {
      ...facts,
      zoneId: zone.zoneId,
      rangeStart: zone.start,
      rangeBytes: zone.sizeBytes,
      state: this.state,
      endpoint: this.hostPort === null ? '' : `http://127.0.0.1:${this.hostPort}`,
      stages: this.stages,
      exit: this.exit,
      memoryReturn: this.memoryReturn,
      guestPid: this.guestPid,
      plugGuestUs: this.plugGuestUs,
    };
  }
}
