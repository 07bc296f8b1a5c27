// SPDX-License-Identifier: Apache-2.0
// What cleaning up after a dead node did, in a sentence.
import type { SweepReport } from '../host/state/sweep.js';

/** null: there was nothing to clean up. */
export function formatSweep(report: SweepReport): string | null {
  if (!report.found) return null;
  const vms = report.removedVms.length;
  const pids = report.killedPids;
  const ended = pids.length === 0 ? 'no QEMU was left' : `ended QEMU ${pids.join(', ')}`;
  const removed = vms === 0 ? 'its files' : `its files and those of ${vms} VM${vms > 1 ? 's' : ''}`;
  return `the node before had died: ${ended}, removed ${removed}`;
}
