// SPDX-License-Identifier: Apache-2.0
// The build's own figures: plug and unplug as the guest measures them, the device's
// round trip, a start by stage, and what an empty VM costs. Medians with their
// spread, on a node that is started for it. Absolute times hold for this machine
// and this accelerator only.
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerView, NodeInfo, SandboxMemory, StageName } from '../host/controller-api.js';
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { MIB } from '../protocol/units.js';
import { type Spread, spreadOf } from './spread.js';

export interface FiguresOptions {
  readonly client: NodeClient;
  /** Place and stop cycles. */
  readonly cycles: number;
  readonly functions: readonly string[];
  readonly say: (line: string) => void;
}

export interface Figures {
  readonly accelerator: NodeInfo['accelerator'];
  readonly guestKernel: string;
  readonly vmm: string;
  /** Usable bytes of each container. */
  readonly memoryBytes: number;
  readonly zoneBytes: number;
  readonly plugGuestUs: Spread;
  readonly unplugGuestUs: Spread;
  /** What a plug takes on the host beyond what the guest's driver took. */
  readonly roundTripUs: Spread;
  /** From the unplug's request to the bytes being back. */
  readonly returnUs: Spread;
  readonly starts: readonly FunctionStart[];
  readonly emptyVm: EmptyVm;
}

export interface FunctionStart {
  readonly functionId: string;
  readonly totalUs: Spread;
  readonly stagesUs: readonly { readonly name: StageName; readonly spread: Spread }[];
  readonly residentBytes: Spread;
}

/** Host bytes of a VM that runs its daemon and nothing else. */
export interface EmptyVm {
  readonly guestBytes: number;
  readonly vmmBytes: number;
}

const MEMORY_BYTES = 124 * MIB;
const TENANT = 'figures';
/** Time for the daemon's own reclaim and for the guest's reports of free pages. */
const SETTLE_MS = 8_000;

export async function measureFigures(options: FiguresOptions): Promise<Figures> {
  const { client, say } = options;
  const info = await client.info();
  const emptyVm = await measureEmptyVm(options);
  const starts: FunctionStart[] = [];
  const all: ContainerView[] = [];
  for (const functionId of options.functions) {
    const ended: ContainerView[] = [];
    for (let n = 0; n < options.cycles; n++) {
      const placed = await client.place({
        tenantId: TENANT,
        functionId,
        memoryBytes: MEMORY_BYTES,
        startMode: 'CRUN',
      });
      const stopped = await client.stop(placed.containerId);
      // The first start of an image attaches it and fills the page cache.
      if (n > 0 || options.cycles === 1) ended.push(stopped);
    }
    const start = startOf(functionId, ended);
    starts.push(start);
    all.push(...ended);
    say(
      `${functionId}: ${ended.length} starts, median ${Math.round(start.totalUs.median / 1000)} ms`,
    );
  }
  const plugs = all.filter(({ plugGuestUs }) => plugGuestUs > 0);
  return {
    accelerator: info.accelerator,
    guestKernel: info.guestKernel,
    vmm: info.vmmVersion,
    memoryBytes: MEMORY_BYTES,
    zoneBytes: all[0]?.rangeBytes ?? 0,
    plugGuestUs: spreadOf(plugs.map(({ plugGuestUs }) => plugGuestUs)),
    roundTripUs: spreadOf(plugs.map((view) => stageUs(view, 'plug') - view.plugGuestUs)),
    unplugGuestUs: spreadOf(all.flatMap(({ memoryReturn }) => memoryReturn?.guestUs ?? [])),
    returnUs: spreadOf(all.flatMap(({ memoryReturn }) => memoryReturn?.unplugUs ?? [])),
    starts,
    emptyVm,
  };
}

/** Boots a VM by a container that cannot run, so that nothing but the VM is left. */
async function measureEmptyVm({ client, functions, say }: FiguresOptions): Promise<EmptyVm> {
  const functionId = functions[0];
  if (functionId === undefined) throw new CzoneError('INVALID_ARGUMENT', 'no function is named');
  try {
    await client.place({
      tenantId: TENANT,
      functionId,
      memoryBytes: 16 * MIB,
      command: ['/nonexistent'],
    });
    throw new CzoneError('INTERNAL', 'a container without a program was started');
  } catch (error) {
    if (!(error instanceof CzoneError) || error.code !== 'ABORTED') throw error;
  }
  await delay(SETTLE_MS);
  const sandbox: SandboxMemory | undefined = (await client.memory()).sandboxes.find(
    ({ tenantId }) => tenantId === TENANT,
  );
  if (!sandbox) throw new CzoneError('INTERNAL', 'the VM that was booted to be measured is gone');
  say(`empty VM: ${Math.round(sandbox.residentBytes / MIB)} MiB of guest memory on the host`);
  return { guestBytes: sandbox.residentBytes, vmmBytes: sandbox.vmmBytes };
}

function startOf(functionId: string, views: readonly ContainerView[]): FunctionStart {
  const names = views[0]?.stages.map(({ name }) => name) ?? [];
  return {
    functionId,
    totalUs: spreadOf(
      views.map(({ stages }) => stages.reduce((sum, { durationUs }) => sum + durationUs, 0)),
    ),
    stagesUs: names.map((name) => ({
      name,
      spread: spreadOf(views.map((view) => stageUs(view, name))),
    })),
    residentBytes: spreadOf(views.map(({ memoryReturn }) => memoryReturn?.residentBytes ?? 0)),
  };
}

function stageUs(view: ContainerView, name: StageName): number {
  return view.stages.find((stage) => stage.name === name)?.durationUs ?? 0;
}
