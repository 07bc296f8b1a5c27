// SPDX-License-Identifier: Apache-2.0
// czone memory: where the host's bytes are, VM by VM and zone by zone.
import type { Command } from 'commander';
import type {
  NodeMemory,
  PinReason,
  SandboxMemory,
  ZoneMemory,
} from '../../host/controller-api.js';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { fullSandboxIds } from '../container-id.js';
import { withNode } from '../node-connection.js';

interface Options {
  readonly sandbox?: string;
}

export function memory(program: Command): void {
  nodeOptions(
    program
      .command('memory')
      .summary("show the host's memory, zone by zone")
      .description(
        "Shows what the VMs hold of the host's memory: allocated blocks of their memory files,\n" +
          'counted on the host, without asking the guests.',
      )
      .option('--sandbox <id>', 'only of this VM'),
  ).action(
    action(async (run, options: Options) => {
      await withNode(run, async (client) => {
        const given = options.sandbox === undefined ? [] : [options.sandbox];
        const [sandboxId] = await fullSandboxIds(client, given, run.signal);
        const view = await client.memory(sandboxId ?? null, run);
        await run.output.result(view, async () => {
          const sandboxes = await client.sandboxes(run);
          const zygotes = sandboxes.flatMap((sandbox) => sandbox.zygotes);
          return human(view, new Set(zygotes.map(({ zygoteId }) => zygoteId)));
        });
      });
    }),
  );
}

async function human(view: NodeMemory, zygoteIds: ReadonlySet<string>): Promise<string> {
  const whose = (id: string | null) =>
    id === null ? '-' : zygoteIds.has(id) ? `${id} (zygote: shared bytes lie here)` : id;
  const { address, table } = await import('../table.js');
  const size = formatSize;
  const parts = [
    `on the host ${size(view.residentBytes)}, plugged ${size(view.pluggedBytes)}, ` +
      `budget ${size(view.budgetBytes)} (${size(view.freeBudgetBytes)} can be promised, ` +
      `${size(view.spareBytes)} can be plugged)`,
  ];
  for (const vm of view.sandboxes) {
    parts.push('', describeVm(vm));
    if (vm.zones.length === 0) continue;
    const rows = vm.zones.map((zone) => [
      ...[`  ${zone.zoneId}`, address(zone.rangeStart), size(zone.rangeBytes)],
      ...[size(zone.limitBytes), zone.state, size(zone.residentBytes), whose(zone.containerId)],
    ]);
    const head = ['  ZONE', '>START', '>SIZE', '>LIMIT', 'STATE', '>ON HOST', 'CONTAINER'];
    parts.push(table(head, rows));
    for (const zone of vm.zones) {
      if (zone.state === 'zombie') parts.push(...describeZombie(zone, address));
    }
  }
  return parts.join('\n');
}

const REASONS: Readonly<Record<PinReason, string>> = {
  unknown: 'for a reason that the guest does not know',
  reference: 'by a reference outside of page tables: a pipe, direct I/O',
  longterm: 'pinned by a device or io_uring',
  mapped: 'still mapped by a process',
  cache: 'in the cache of a file or of swap',
  shared: 'shared with containers that were forked from it',
};

function describeZombie(zone: ZoneMemory, address: (bytes: number) => string): string[] {
  return [
    `  zone ${zone.zoneId} outlives its container: ${formatSize(zone.inUseBytes)} are in use`,
    ...zone.pins.map(
      (pin) =>
        `    ${formatSize(pin.sizeBytes)} at ${address(pin.start)}, ` +
        `${REASONS[pin.reason]} (${pin.references} references)`,
    ),
  ];
}

function describeVm(vm: SandboxMemory): string {
  const size = formatSize;
  const lines = [
    `${vm.sandboxId} of ${vm.tenantId}: on the host ${size(vm.residentBytes)}` +
      ` (kernel and shared ${size(vm.bootResidentBytes)}, zones ${size(vm.zonesResidentBytes)})` +
      `, the VMM itself ${size(vm.vmmBytes)}`,
    `  region ${size(vm.regionBytes)}, plugged ${size(vm.pluggedBytes)}` +
      ` of at most ${size(vm.limitBytes)}`,
  ];
  if (vm.strayBytes !== 0) {
    lines.push(`  FAULT: ${size(vm.strayBytes)} lie in the region outside of any zone`);
  }
  return lines.join('\n');
}
