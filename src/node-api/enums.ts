// SPDX-License-Identifier: Apache-2.0
// Enumerations of the domain and of the messages, side by side.
import type * as domain from '../host/controller-api.js';
import { CzoneError } from '../protocol/errors.js';
import {
  ContainerState,
  ExitReason,
  StartKind,
  StartMode,
} from '../protocol/gen/czone/node/v1/containers.js';
import { SandboxState, ZygoteState } from '../protocol/gen/czone/node/v1/sandboxes.js';

export const CONTAINER_STATE: Readonly<Record<domain.ContainerState, ContainerState>> = {
  STARTING: ContainerState.CONTAINER_STATE_STARTING,
  RUNNING: ContainerState.CONTAINER_STATE_RUNNING,
  PAUSED: ContainerState.CONTAINER_STATE_PAUSED,
  STOPPING: ContainerState.CONTAINER_STATE_STOPPING,
  EXITED: ContainerState.CONTAINER_STATE_EXITED,
};

export const SANDBOX_STATE: Readonly<Record<domain.SandboxState, SandboxState>> = {
  BOOTING: SandboxState.SANDBOX_STATE_BOOTING,
  READY: SandboxState.SANDBOX_STATE_READY,
  RECOVERING: SandboxState.SANDBOX_STATE_RECOVERING,
  STOPPING: SandboxState.SANDBOX_STATE_STOPPING,
  FAILED: SandboxState.SANDBOX_STATE_FAILED,
};

export const START_KIND: Readonly<Record<domain.ContainerView['startKind'], StartKind>> = {
  COLD: StartKind.START_KIND_COLD,
  WARM_SANDBOX: StartKind.START_KIND_WARM_SANDBOX,
  ZYGOTE: StartKind.START_KIND_ZYGOTE,
};

export const START_MODE: Readonly<Record<domain.StartMode, StartMode>> = {
  AUTO: StartMode.START_MODE_UNSPECIFIED,
  CRUN: StartMode.START_MODE_CRUN,
  ZYGOTE: StartMode.START_MODE_ZYGOTE,
};

export const ZYGOTE_STATE: Readonly<Record<domain.ZygoteState, ZygoteState>> = {
  STARTING: ZygoteState.ZYGOTE_STATE_STARTING,
  READY: ZygoteState.ZYGOTE_STATE_READY,
  DRAINING: ZygoteState.ZYGOTE_STATE_DRAINING,
};

export const EXIT_REASON: Readonly<Record<domain.ExitReason, ExitReason>> = {
  EXITED: ExitReason.EXIT_REASON_EXITED,
  SIGNALED: ExitReason.EXIT_REASON_SIGNALED,
  OOM_KILLED: ExitReason.EXIT_REASON_OOM_KILLED,
  STOPPED: ExitReason.EXIT_REASON_STOPPED,
  UNKNOWN: ExitReason.EXIT_REASON_UNKNOWN,
  SANDBOX_LOST: ExitReason.EXIT_REASON_SANDBOX_LOST,
};

/** The domain's name of a value that came over the wire. */
export function nameOf<Name extends string>(
  table: Readonly<Record<Name, number>>,
  value: number,
  what: string,
): Name {
  for (const name of Object.keys(table) as Name[]) {
    if (table[name] === value) return name;
  }
  throw new CzoneError('INTERNAL', `the node sent ${what} ${value}, which this client can't read`);
}
