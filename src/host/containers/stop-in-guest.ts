// SPDX-License-Identifier: Apache-2.0
// Ends a container in the guest, also across a restart of the guest daemon.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../../protocol/errors.js';
import type { ContainerExit } from '../../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId } from '../../protocol/ids.js';
import { LIMITS } from '../limits.js';
import type { GuestSide } from './guest-side.js';

const PAUSE_MS = 200;

/** null: the guest has no such container (any more). */
export async function stopInGuest(
  guest: GuestSide,
  containerId: ContainerId,
  graceMs: number,
): Promise<ContainerExit | null> {
  const deadline = performance.now() + graceMs + LIMITS.agentAwayMs;
  for (;;) {
    const agent = guest.agent();
    await agent.whenUp(LIMITS.agentAwayMs);
    try {
      return await agent.client.stopContainer(containerId, graceMs);
    } catch (error) {
      const away = error instanceof CzoneError && error.code === 'UNAVAILABLE';
      if (!away || guest.over || performance.now() > deadline) throw error;
    }
    await sleep(PAUSE_MS);
  }
}
