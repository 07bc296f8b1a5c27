// SPDX-License-Identifier: Apache-2.0
// The monitor of a QEMU that was just started.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import { QmpClient } from './qmp.js';

const POLL_MS = 2;

/** UNAVAILABLE: it makes none. `requireAlive` rejects when there is nobody to wait for. */
export async function connectMonitor(
  path: string,
  requireAlive: () => Promise<void>,
): Promise<QmpClient> {
  const deadline = performance.now() + LIMITS.qmpConnectMs;
  for (;;) {
    await requireAlive();
    try {
      if (existsSync(path)) return await QmpClient.connect(path);
    } catch (error) {
      // The socket is there a moment before QEMU listens.
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) {
      throw new CzoneError('UNAVAILABLE', `QEMU made no monitor ${path}`);
    }
    await sleep(POLL_MS);
  }
}
