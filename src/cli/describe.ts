// SPDX-License-Identifier: Apache-2.0
// What happened to a container, in sentences.
import type { ContainerExit, ContainerView, MemoryReturn } from '../host/controller-api.js';
import { formatSize } from '../protocol/units.js';
import { address, duration } from './table.js';

export function describeStart(view: ContainerView): string {
  const totalUs = view.stages.reduce((sum, stage) => sum + stage.durationUs, 0);
  const stages = view.stages.map(({ name, durationUs }) => `${name} ${duration(durationUs)}`);
  return [
    `${view.containerId}  ${view.functionId} of ${view.tenantId} at ${view.endpoint}`,
    `  ${view.startKind === 'COLD' ? 'cold start' : 'into a running VM'}: ${view.placementReason}`,
    view.zygoteId === null
      ? `  by crun: ${view.startReason}`
      : `  by zygote ${view.zygoteId}: ${view.startReason}`,
    `  ${view.sandboxId}, zone ${view.zoneId}: ${formatSize(view.rangeBytes)} at ${address(view.rangeStart)}, ${formatSize(view.memoryBytes)} of it to use`,
    `  ${duration(totalUs)}: ${stages.join(', ')}`,
  ].join('\n');
}

export function describeEnd(view: ContainerView): string {
  const parts = [`${view.containerId} has ended`];
  if (view.exit) parts.push(describeExit(view.exit));
  if (view.memoryReturn) parts.push(describeReturn(view.memoryReturn));
  return parts.join('; ');
}

export function describeExit(exit: ContainerExit): string {
  switch (exit.reason) {
    case 'EXITED':
      return `exit code ${exit.exitCode}`;
    case 'SIGNALED':
      return `killed by signal ${exit.signal}`;
    case 'OOM_KILLED':
      return 'out of memory';
    case 'STOPPED':
      return 'stopped';
    case 'SANDBOX_LOST':
      return 'its VM ended';
    case 'UNKNOWN':
      return 'nobody saw how';
  }
}

function describeReturn(memory: MemoryReturn): string {
  const all = memory.complete ? '' : ', the rest not yet';
  const early = memory.earlyBytes > 0 ? `${formatSize(memory.earlyBytes)} before the unplug, ` : '';
  return `the host has ${formatSize(memory.returnedBytes)} of ${formatSize(memory.residentBytes)} back${all} (${early}${duration(memory.unplugUs)})`;
}
