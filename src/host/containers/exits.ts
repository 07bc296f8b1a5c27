// SPDX-License-Identifier: Apache-2.0
// Exits as the guest daemon reports them, as the controller's own.
import {
  type ContainerExit as GuestExit,
  ExitReason as GuestReason,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerExit, ExitReason } from '../controller-api.js';

const REASONS: ReadonlyMap<GuestReason, ExitReason> = new Map([
  [GuestReason.EXIT_REASON_EXITED, 'EXITED'],
  [GuestReason.EXIT_REASON_SIGNALED, 'SIGNALED'],
  [GuestReason.EXIT_REASON_OOM_KILLED, 'OOM_KILLED'],
  [GuestReason.EXIT_REASON_STOPPED, 'STOPPED'],
]);

export const UNKNOWN_EXIT: ContainerExit = { reason: 'UNKNOWN', exitCode: 0, signal: 0 };
export const LOST_EXIT: ContainerExit = { reason: 'SANDBOX_LOST', exitCode: 0, signal: 0 };

/** For a zygote's reason to drain. */
export function describeExit({ reason, exitCode, signal }: ContainerExit): string {
  if (reason === 'EXITED') return `exit code ${exitCode}`;
  if (reason === 'SIGNALED') return `signal ${signal}`;
  if (reason === 'OOM_KILLED') return 'out of memory';
  return reason === 'STOPPED' ? 'it was stopped' : 'nobody saw how';
}

export function readExit(exit: GuestExit): ContainerExit {
  return {
    reason: REASONS.get(exit.reason) ?? 'UNKNOWN',
    exitCode: exit.exitCode,
    signal: exit.signal,
  };
}
