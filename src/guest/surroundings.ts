// SPDX-License-Identifier: Apache-2.0
// What containers are made of and told to.
import type { ContainerId } from '../protocol/ids.js';
import type { Bundles } from './bundle.js';
import type { Cgroups, ContainerCgroup } from './cgroup.js';
import type { Events } from './events.js';
import type { Images } from './images.js';
import type { GuestAddon } from './native.js';
import type { Network } from './network.js';
import type { NetworkPool } from './network-pool.js';
import type { SandboxMaker } from './sandbox-maker.js';

export interface Surroundings {
  readonly addon: GuestAddon;
  readonly network: Pick<Network, 'add' | 'remove' | 'namespacePath' | 'list'>;
  /** Namespaces made ahead, for those who start by a zygote. */
  readonly networkPool: Pick<NetworkPool, 'take' | 'fill'>;
  readonly sandboxMaker: Pick<SandboxMaker, 'make' | 'warm'>;
  readonly cgroups: Pick<Cgroups, 'list'> & { of(id: ContainerId): ContainerCgroup };
  readonly images: Pick<Images, 'mount'>;
  readonly bundles: Pick<Bundles, 'of' | 'list'>;
  readonly events: Events;
  readonly procRoot: string;
  readonly crunStateRoot: string;
  /** Where the first process leaves the statuses of processes that it reaped. */
  readonly exitsDirectory: string;
  /** Tells of what went wrong and changes no answer. */
  readonly complain: (message: string) => void;
}
