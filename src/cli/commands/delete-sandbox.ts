// SPDX-License-Identifier: Apache-2.0
// czone delete-sandbox: ends VMs with all of their containers.
import type { Command } from 'commander';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { fullSandboxIds } from '../container-id.js';
import { each } from '../each.js';
import { withNode } from '../node-connection.js';

export function deleteSandbox(program: Command): void {
  nodeOptions(
    program
      .command('delete-sandbox <sandbox...>')
      .summary('end VMs with all of their containers')
      .description('Ends VMs with all of their containers. Succeeds on what is already gone.'),
  ).action(
    action(async (run, _options: object, given: string[]) => {
      await withNode(run, async (client) => {
        const sandboxes = await each(
          run,
          await fullSandboxIds(client, given, run.signal),
          { name: 'sandboxes', atOnce: 4 },
          async (sandboxId) => ({ sandboxId, ...(await client.deleteSandbox(sandboxId, run)) }),
          (done) =>
            void run.output.result(
              done,
              () =>
                `${done.sandboxId} has ended; the host has ${formatSize(done.returnedBytes)} back`,
            ),
        );
        if (run.output.json) await run.output.result({ sandboxes }, () => '');
      });
    }),
  );
}
