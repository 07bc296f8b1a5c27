// SPDX-License-Identifier: Apache-2.0
// What all VMs of a node have in common.

import type { SandboxId } from '../../protocol/ids.js';
import type { NodeConfig } from '../config.js';
import type { Container } from '../containers/container.js';
import type { HostAddon } from '../device/native.js';
import type { PreparedImage } from '../images/image-store.js';
import type { Log } from '../log.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { VmmBinary } from '../vm/vmm-binary.js';
import type { ZygoteHome } from '../zygotes/reserve-zygote.js';

export interface SandboxEnvironment {
  readonly config: NodeConfig;
  readonly addon: HostAddon;
  readonly vmm: VmmBinary;
  readonly accelerator: 'kvm' | 'tcg';
  readonly kernelPath: string;
  readonly rootfsPath: string;
  readonly logs: ContainerLogs;
  readonly log: Log;
  /** What the node's budget has for all zones. */
  readonly spareBytes: () => number;
  /** Takes room for a zygote like the container; null: there is none. */
  readonly reserveZygote: (
    sandbox: ZygoteHome,
    like: Container,
    image: PreparedImage,
  ) => Container | null;
  /** A start has ended, well or not, or a container's end has. */
  readonly onWork: () => void;
  /** A container has ended; its zone may still be under way. */
  readonly onContainerEnded: (container: Container) => void;
  /** Process, memory and files of the VM are gone. */
  readonly onSandboxEnded: (sandboxId: SandboxId) => void;
}
