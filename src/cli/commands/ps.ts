// SPDX-License-Identifier: Apache-2.0
// czone ps: the containers of a node, with their zones and bytes on the host.
import type { Command } from 'commander';
import type {
  ContainerView,
  NodeMemory,
  SandboxView,
  ZygoteView,
} from '../../host/controller-api.js';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { withNode } from '../node-connection.js';

interface Options {
  readonly all?: boolean;
  readonly tenant?: string;
}

/** null: its zone is gone. */
type Row = ContainerView & { readonly residentBytes: number | null };

export function ps(program: Command): void {
  nodeOptions(
    program
      .command('ps')
      .summary('list containers')
      .description('Lists the containers of a node, oldest first.')
      .option('-a, --all', 'also those that have ended')
      .option('--tenant <name>', 'only of this tenant'),
  ).action(
    action(async (run, options: Options) => {
      await withNode(run, async (client) => {
        const filter = {
          includeExited: options.all ?? false,
          ...(options.tenant === undefined ? {} : { tenantId: options.tenant }),
        };
        const views = await client.containers(filter, run);
        const rows = withResident(views, await client.memory(null, run));
        const zygotes = zygotesOf(await client.sandboxes(run), options.tenant);
        await run.output.result({ containers: rows, zygotes }, async () => {
          const table = await human(rows, options.all ?? false);
          return zygotes.length === 0 ? table : `${table}\n\n${await describeZygotes(zygotes)}`;
        });
      });
    }),
  );
}

type ZygoteRow = ZygoteView & Pick<SandboxView, 'sandboxId' | 'tenantId'>;

function zygotesOf(sandboxes: readonly SandboxView[], tenantId: string | undefined): ZygoteRow[] {
  return sandboxes
    .filter((sandbox) => tenantId === undefined || sandbox.tenantId === tenantId)
    .flatMap(({ sandboxId, tenantId: owner, zygotes }) =>
      zygotes.map((zygote) => ({ ...zygote, sandboxId, tenantId: owner })),
    );
}

async function describeZygotes(rows: readonly ZygoteRow[]): Promise<string> {
  const { age, table } = await import('../table.js');
  const now = new Date();
  return table(
    [
      ...['ZYGOTE', 'TENANT', 'FUNCTION', 'STATE', 'VM', '>ZONE', '>ON HOST'],
      ...['>CHILDREN', '>FORKS', 'AGE', 'RUNTIME'],
    ],
    rows.map((row) => [
      ...[row.zygoteId, row.tenantId, row.functionId, row.state, row.sandboxId],
      ...[String(row.zoneId), formatSize(row.residentBytes), String(row.children)],
      ...[String(row.forks), age(row.createdAt, now), row.reason || row.runtime],
    ]),
  );
}

function withResident(views: readonly ContainerView[], memory: NodeMemory): Row[] {
  const resident = new Map<string, number>();
  for (const zone of memory.sandboxes.flatMap((sandbox) => sandbox.zones)) {
    if (zone.containerId !== null) resident.set(zone.containerId, zone.residentBytes);
  }
  return views.map((view) => ({
    ...view,
    residentBytes: resident.get(view.containerId) ?? null,
  }));
}

async function human(rows: readonly Row[], all: boolean): Promise<string> {
  if (rows.length === 0) return 'no containers';
  const [{ age, table }, { describeExit }] = await Promise.all([
    import('../table.js'),
    import('../describe.js'),
  ]);
  const now = new Date();
  return table(
    [
      ...['CONTAINER', 'TENANT', 'FUNCTION', 'STATE', 'VM', '>ZONE', '>MEMORY', '>ON HOST'],
      ...['BY', 'AGE', 'ENDPOINT'],
      ...(all ? ['END', '>RETURNED'] : []),
    ],
    rows.map((row) => [
      ...[row.containerId, row.tenantId, row.functionId, row.state, row.sandboxId],
      ...[String(row.zoneId), formatSize(row.memoryBytes)],
      ...[row.residentBytes === null ? '-' : formatSize(row.residentBytes)],
      ...[row.zygoteId === null ? 'crun' : 'zygote'],
      ...[age(row.createdAt, now), row.state === 'EXITED' ? '-' : row.endpoint],
      ...(all ? [row.exit ? describeExit(row.exit) : '-', returned(row)] : []),
    ]),
  );
}

function returned({ memoryReturn }: Row): string {
  if (memoryReturn === null) return '-';
  const { returnedBytes, residentBytes } = memoryReturn;
  return returnedBytes === residentBytes
    ? formatSize(returnedBytes)
    : `${formatSize(returnedBytes)} of ${formatSize(residentBytes)}`;
}
