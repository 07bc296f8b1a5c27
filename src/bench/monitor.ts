// SPDX-License-Identifier: Apache-2.0
// The monitor of a QEMU that was just started.
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { QmpClient } from '../host/vm/qmp.js';
import { CzoneError } from '../protocol/errors.js';

const MONITOR_MS = 30_000;
const POLL_MS = 2;

/** UNAVAILABLE: QEMU has ended, or makes no monitor. */
export async function connectMonitor(path: string, alive: () => boolean): Promise<QmpClient> {
  const deadline = performance.now() + MONITOR_MS;
  for (;;) {
    if (!alive()) throw new CzoneError('UNAVAILABLE', 'QEMU ended at once');
    try {
      if (existsSync(path)) return await QmpClient.connect(path);
    } catch (error) {
      // The socket is there a moment before QEMU listens.
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new CzoneError('UNAVAILABLE', 'QEMU made no monitor');
    await delay(POLL_MS);
  }
}
