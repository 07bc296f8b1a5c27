// SPDX-License-Identifier: Apache-2.0
// czone pause: stop containers from running, keep their memory.
import type { Command } from 'commander';
import { action, nodeOptions } from '../command.js';
import { fullContainerIds } from '../container-id.js';
import { each } from '../each.js';
import { withNode } from '../node-connection.js';

export function pause(program: Command): void {
  nodeOptions(
    program
      .command('pause <container...>')
      .summary('stop containers from running, keep their memory')
      .description(
        'Freezes containers. Their memory stays; czone reclaim takes back what of it is free.',
      ),
  ).action(
    action(async (run, _options: object, given: string[]) => {
      await withNode(run, async (client) => {
        const containers = await each(
          run,
          await fullContainerIds(client, given, run.signal),
          { name: 'containers', atOnce: 4 },
          (id) => client.pause(id, run),
          (view) => void run.output.result(view, () => `${view.containerId} is paused`),
        );
        if (run.output.json) await run.output.result({ containers }, () => '');
      });
    }),
  );
}
