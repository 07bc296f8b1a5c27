// SPDX-License-Identifier: Apache-2.0
// The end of a VM: device, process and memory file go, and every container in it has
// lost its VM, unless it had ended before.
import type { ContainerId } from '../../protocol/ids.js';
import type { Container } from '../containers/container.js';
import { loseContainer } from '../containers/finish.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import type { DeviceSlot } from '../vm/device-slot.js';
import type { Vm } from '../vm/vm.js';
import type { ZoneKeeper } from '../zones/zone-keeper.js';
import type { SandboxEnvironment } from './environment.js';

/** What ends: a sandbox. */
export interface Ending {
  readonly ledger: Ledger;
  readonly zones: ZoneKeeper;
  readonly containers: Map<ContainerId, Container>;
  readonly logs: ContainerLogs;
}

/** The bytes that the host has back. */
export async function tearDown(
  sandbox: Ending,
  parts: { readonly vm: Vm | null; readonly slot: DeviceSlot | null },
  environment: SandboxEnvironment,
): Promise<number> {
  const { vm, slot } = parts;
  const returnedBytes = vm?.memory.totalBytes() ?? 0;
  const residents = new Map(
    sandbox.ledger
      .zones()
      .map((zone) => [zone.containerId, vm?.memory.zoneBytes(zone.start, zone.limitBytes) ?? 0]),
  );
  const begin = performance.now();
  sandbox.zones.end();
  slot?.close();
  await vm?.quit();
  await vm?.dispose();
  const unplugUs = Math.round((performance.now() - begin) * 1000);
  for (const container of sandbox.containers.values()) {
    if (container.state === 'STARTING') continue;
    const wasLive = container.finished === null;
    loseContainer(container, residents.get(container.id) ?? 0, unplugUs);
    sandbox.logs.end(container.id);
    if (wasLive && !container.isZygote) environment.onContainerEnded(container);
  }
  sandbox.containers.clear();
  return returnedBytes;
}
