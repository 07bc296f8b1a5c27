// SPDX-License-Identifier: Apache-2.0
// czone reclaim: takes back what live containers have freed.
import type { Command } from 'commander';
import type { NodeClient } from '../../node-api/client.js';
import { CzoneError } from '../../protocol/errors.js';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions, type Run } from '../command.js';
import { fullContainerIds, fullSandboxIds } from '../container-id.js';
import { withNode } from '../node-connection.js';
import { readSize } from '../read-options.js';

interface Options {
  readonly container?: string;
  readonly sandbox?: string;
  readonly cold?: string;
}

export function reclaim(program: Command): void {
  nodeOptions(
    program
      .command('reclaim')
      .summary('take back what live containers have freed')
      .description(
        'Returns free pages of live containers to the host, makes their zones smaller where most\n' +
          'of one is free, and tells the bytes that the host has back. Of all containers of the\n' +
          'node, unless some are named.',
      )
      .option('--container <id>', 'only of this container')
      .option('--sandbox <id>', 'only of the containers of this VM')
      .option(
        '--cold <size>',
        'first take up to so much of what each container has not used of late, e.g. 16MiB',
      ),
  ).action(
    action(async (run, options: Options) => {
      if (options.container !== undefined && options.sandbox !== undefined) {
        throw new CzoneError('INVALID_ARGUMENT', 'name --container or --sandbox, not both', {
          field: '--sandbox',
        });
      }
      await withNode(run, async (client) => {
        const scope = await scopeOf(client, options, run);
        const coldBytes = options.cold === undefined ? 0 : readSize('--cold', options.cold);
        const result = await client.reclaim(scope, { ...run, coldBytes });
        await run.output.result(result, async () => {
          if (result.zones.length === 0) return 'no live containers; nothing to take back';
          const { duration, table } = await import('../table.js');
          const rows = result.zones.map((zone) => [
            ...[zone.containerId, String(zone.zoneId), formatSize(zone.residentBeforeBytes)],
            ...[formatSize(zone.returnedBytes), String(zone.ranges), duration(zone.durationUs)],
            ...[zone.sizeBytes, zone.shrunkBytes].map(formatSize),
            ...(coldBytes === 0 ? [] : [zone.coldBytes, zone.swappedBytes].map(formatSize)),
          ]);
          const head = [
            ...['CONTAINER', '>ZONE', '>ON HOST BEFORE', '>RETURNED', '>RANGES', '>TIME'],
            ...['>SIZE NOW', '>SMALLER BY'],
            ...(coldBytes === 0 ? [] : ['>COLD', '>TO SWAP']),
          ];
          return `${table(head, rows)}\n${formatSize(result.returnedBytes)} returned to the host`;
        });
      });
    }),
  );
}

async function scopeOf(
  client: NodeClient,
  options: Options,
  run: Run,
): Promise<Parameters<NodeClient['reclaim']>[0]> {
  if (options.container !== undefined) {
    const [containerId] = await fullContainerIds(client, [options.container], run.signal);
    return containerId === undefined ? null : { containerId };
  }
  if (options.sandbox !== undefined) {
    const [sandboxId] = await fullSandboxIds(client, [options.sandbox], run.signal);
    return sandboxId === undefined ? null : { sandboxId };
  }
  return null;
}
