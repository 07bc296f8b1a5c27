// SPDX-License-Identifier: Apache-2.0
// What a container's life needs of the VM that it lives in.
import type { AgentLink } from '../agent/agent-link.js';
import type { Log } from '../log.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { GuestAddresses } from '../ports/guest-addresses.js';
import type { Disks } from '../vm/disks.js';
import type { QmpClient } from '../vm/qmp.js';
import type { ZoneKeeper } from '../zones/zone-keeper.js';

export interface GuestSide {
  /** Until the VM is ready, or UNAVAILABLE with what became of it. */
  whenReady(): Promise<void>;
  /** UNAVAILABLE before the VM runs and after its end. */
  agent(): AgentLink;
  qmp(): QmpClient;
  /** True once the VM is ending or gone. */
  readonly over: boolean;
  readonly zones: ZoneKeeper;
  readonly disks: Disks;
  readonly addresses: GuestAddresses;
  readonly logs: ContainerLogs;
  readonly log: Log;
}
