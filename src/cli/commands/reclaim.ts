// SPDX-License-Identifier: Apache-2.0
// czone reclaim: takes back what live containers have freed.
import type { Command } from 'commander';
import type { NodeClient } from '../../node-api/client.js';
import { CzoneError } from '../../protocol/errors.js';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions, type Run } from '../command.js';
import { fullContainerIds, fullSandboxIds } from '../container-id.js';
import { withNode } from '../node-connection.js';

interface Options {
  readonly container?: string;
  readonly sandbox?: string;
}

export function reclaim(program: Command): void {
  nodeOptions(
    program
      .command('reclaim')
      .summary('take back what live containers have freed')
      .description(
        'Returns free pages of live containers to the host and tells the bytes that the host has back.\n' +
          'Without an option: of all containers of the node.',
      )
      .option('--container <id>', 'only of this container')
      .option('--sandbox <id>', 'only of the containers of this VM'),
  ).action(
    action(async (run, options: Options) => {
      if (options.container !== undefined && options.sandbox !== undefined) {
        throw new CzoneError('INVALID_ARGUMENT', 'name --container or --sandbox, not both', {
          field: '--sandbox',
        });
      }
      await withNode(run, async (client) => {
        const scope = await scopeOf(client, options, run);
        const result = await client.reclaim(scope, run);
        await run.output.result(result, async () => {
          if (result.zones.length === 0) return 'no live containers; nothing to take back';
          const { duration, table } = await import('../table.js');
          const rows = result.zones.map((zone) => [
            ...[zone.containerId, String(zone.zoneId), formatSize(zone.residentBeforeBytes)],
            ...[formatSize(zone.returnedBytes), String(zone.ranges), duration(zone.durationUs)],
          ]);
          const head = ['CONTAINER', '>ZONE', '>ON HOST BEFORE', '>RETURNED', '>RANGES', '>TIME'];
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
