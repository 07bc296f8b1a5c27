// SPDX-License-Identifier: Apache-2.0
// How a container ended, in words and for the host. Pure.
import { type ContainerExit, ExitReason } from '../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId, ZoneId } from '../protocol/ids.js';
import type { WaitResult } from './native.js';

const SIGKILL = 9;

export function describeExit(
  { id, zoneId }: { readonly id: ContainerId; readonly zoneId: ZoneId },
  { exitCode, signal }: WaitResult,
  { oomKills, stopAsked }: { readonly oomKills: number; readonly stopAsked: boolean },
): ContainerExit {
  let reason = ExitReason.EXIT_REASON_UNKNOWN;
  const killed = signal === SIGKILL || (signal === null && exitCode === null);
  if (oomKills > 0 && killed) reason = ExitReason.EXIT_REASON_OOM_KILLED;
  else if (stopAsked) reason = ExitReason.EXIT_REASON_STOPPED;
  else if (signal !== null) reason = ExitReason.EXIT_REASON_SIGNALED;
  else if (exitCode !== null) reason = ExitReason.EXIT_REASON_EXITED;
  return { containerId: id, zoneId, reason, exitCode: exitCode ?? 0, signal: signal ?? 0 };
}

/** `status` null: it was stopped. */
export function describeEnd(
  status: WaitResult | null,
  oomKills: number,
): { verb: string; oom: string } {
  let verb = status === null ? 'was stopped' : 'ended';
  if (status !== null && status.signal !== null) verb += ` by signal ${status.signal}`;
  else if (status !== null && status.exitCode !== null)
    verb += ` with exit code ${status.exitCode}`;
  return { verb, oom: oomKills > 0 ? ' Its memory was full.' : '' };
}
