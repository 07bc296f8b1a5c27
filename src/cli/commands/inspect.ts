// SPDX-License-Identifier: Apache-2.0
// czone inspect: where the pages of a container's processes lie.
import type { Command } from 'commander';
import type { PageCount } from '../../host/controller-api.js';
import { formatSize, PAGE_BYTES } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { fullContainerIds } from '../container-id.js';
import { withNode } from '../node-connection.js';

export function inspect(program: Command): void {
  nodeOptions(
    program
      .command('inspect <container>')
      .summary("show where a container's pages lie")
      .description(
        "Shows for each process of a container how much of it lies in the container's zone,\n" +
          'as the guest reads it from its page tables.',
      ),
  ).action(
    action(async (run, _options: object, given: string) => {
      await withNode(run, async (client) => {
        const [containerId = given] = await fullContainerIds(client, [given], run.signal);
        const processes = await client.inspect(containerId, run);
        await run.output.result({ containerId, processes }, async () => {
          const { table } = await import('../table.js');
          return table(
            ['>PID', 'NAME', '>ZONE', '>ANONYMOUS', '>TEXT', '>FILES'],
            processes.map((item) => [
              ...[String(item.pid), item.name, item.zoneId === 0 ? '-' : String(item.zoneId)],
              ...[item.anonymous, item.text, item.file].map(share),
            ]),
          );
        });
      });
    }),
  );
}

/** What lies in the zone, of all. */
function share({ inZone, outside }: PageCount): string {
  const size = (pages: number) => formatSize(pages * PAGE_BYTES);
  return `${size(inZone)} of ${size(inZone + outside)} in its zone`;
}
