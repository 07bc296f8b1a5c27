// SPDX-License-Identifier: Apache-2.0
// czone sandboxes: the VMs of a node.
import type { Command } from 'commander';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { withNode } from '../node-connection.js';

export function sandboxes(program: Command): void {
  nodeOptions(
    program
      .command('sandboxes')
      .summary('list VMs')
      .description('Lists the VMs of a node; each belongs to one tenant.'),
  ).action(
    action(async (run) => {
      await withNode(run, async (client) => {
        const views = await client.sandboxes(run);
        await run.output.result({ sandboxes: views }, async () => {
          if (views.length === 0) return 'no VMs';
          const { age, table } = await import('../table.js');
          const now = new Date();
          return table(
            ['VM', 'TENANT', 'STATE', '>CONTAINERS', '>PLUGGED', '>REGION', '>BOOT', '>PID', 'AGE'],
            views.map((view) => [
              ...[view.sandboxId, view.tenantId, view.state, String(view.containerCount)],
              ...[view.pluggedBytes, view.regionBytes, view.bootMemoryBytes].map(formatSize),
              ...[String(view.vmmPid), age(view.createdAt, now)],
            ]),
          );
        });
      });
    }),
  );
}
