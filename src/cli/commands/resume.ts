// SPDX-License-Identifier: Apache-2.0
// czone resume: let paused containers run again.
import type { Command } from 'commander';
import { action, nodeOptions } from '../command.js';
import { fullContainerIds } from '../container-id.js';
import { each } from '../each.js';
import { withNode } from '../node-connection.js';

export function resume(program: Command): void {
  nodeOptions(
    program
      .command('resume <container...>')
      .summary('let paused containers run again')
      .description('Lets paused containers run again.'),
  ).action(
    action(async (run, _options: object, given: string[]) => {
      await withNode(run, async (client) => {
        const containers = await each(
          run,
          await fullContainerIds(client, given, run.signal),
          { name: 'containers', atOnce: 4 },
          (id) => client.resume(id, run),
          (view) => void run.output.result(view, () => `${view.containerId} runs again`),
        );
        if (run.output.json) await run.output.result({ containers }, () => '');
      });
    }),
  );
}
