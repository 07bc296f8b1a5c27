// SPDX-License-Identifier: Apache-2.0
// czone stop: ends containers; their zones go back to the host.
import type { Command } from 'commander';
import { action, nodeOptions } from '../command.js';
import { fullContainerIds } from '../container-id.js';
import { each } from '../each.js';
import { withNode } from '../node-connection.js';
import { readDuration } from '../read-options.js';

interface Options {
  readonly grace?: string;
}

export function stop(program: Command): void {
  nodeOptions(
    program
      .command('stop <container...>')
      .summary('end containers')
      .description(
        'Ends containers and returns their memory. Succeeds on what has already ended.\n' +
          'An id may be shortened to its beginning.',
      )
      .option('--grace <time>', 'from SIGTERM to SIGKILL, e.g. 500ms (default: 2s)'),
  ).action(
    action(async (run, options: Options, given: string[]) => {
      const graceMs =
        options.grace === undefined ? 0 : Math.max(1, readDuration('--grace', options.grace));
      const { describeEnd } = await import('../describe.js');
      await withNode(run, async (client) => {
        const containers = await each(
          run,
          await fullContainerIds(client, given, run.signal),
          { name: 'containers', atOnce: 4 },
          (id) => client.stop(id, graceMs, run),
          (view) => void run.output.result(view, () => describeEnd(view)),
        );
        if (run.output.json) await run.output.result({ containers }, () => '');
      });
    }),
  );
}
