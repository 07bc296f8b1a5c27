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
  /** As it was reserved. */
  readonly zone: LedgerZone;
  /** What lies under its id now: it, or nothing, or the zone of another container. */
  readonly zoneNow: () => LedgerZone | null;
  readonly address: string;
  readonly memoryBytes: number;
  readonly role: 'FUNCTION' | 'ZYGOTE';
  /** A VM was booted for it. */
  readonly cold: boolean;
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
  /** Who forks it, or has; it shares memory with it. */
  zygote: Container | null = null;
  startReason = '';
  /** Of a zygote, by its own word. */
  runtime = '';
  readonly #children = new Set<ContainerId>();
  #onChildless: (() => void)[] = [];

  #zone: LedgerZone;

  constructor(facts: ContainerFacts) {
    this.facts = facts;
    this.#zone = facts.zone;
  }

  get id(): ContainerId {
    return this.facts.containerId;
  }

  get isZygote(): boolean {
    return this.facts.role === 'ZYGOTE';
  }

  get childCount(): number {
    return this.#children.size;
  }

  addChild(id: ContainerId): void {
    this.#children.add(id);
  }

  removeChild(id: ContainerId): void {
    this.#children.delete(id);
    if (this.#children.size > 0) return;
    const waiting = this.#onChildless;
    this.#onChildless = [];
    for (const resolve of waiting) resolve();
  }

  /** Nobody shares pages of its zone. */
  whenChildless(): Promise<void> {
    if (this.#children.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onChildless.push(resolve));
  }

  view(): ContainerView {
    const { zone, zoneNow, address: _address, role: _role, cold, ...facts } = this.facts;
    const now = zoneNow();
    if (now?.containerId === this.id) this.#zone = now;
    return {
      ...facts,
      zoneId: zone.zoneId,
      rangeStart: zone.start,
      rangeBytes: this.#zone.sizeBytes,
      limitBytes: zone.limitBytes,
      state: this.state,
      startKind: this.zygote !== null ? 'ZYGOTE' : cold ? 'COLD' : 'WARM_SANDBOX',
      startReason: this.startReason,
      zygoteId: this.zygote?.id ?? null,
      endpoint: this.hostPort === null ? '' : `http://127.0.0.1:${this.hostPort}`,
      stages: this.stages,
      exit: this.exit,
      memoryReturn: this.memoryReturn,
      guestPid: this.guestPid,
      plugGuestUs: this.plugGuestUs,
    };
  }
}
