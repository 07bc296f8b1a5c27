// SPDX-License-Identifier: Apache-2.0
// czone info: what a node is and what it can run.
import type { Command } from 'commander';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { withNode } from '../node-connection.js';

export function info(program: Command): void {
  nodeOptions(
    program
      .command('info')
      .summary('tell what a node is and what it can run')
      .description('Tells what a node is, what it holds and which functions its catalogue has.'),
  ).action(
    action(async (run) => {
      await withNode(run, async (client) => {
        const view = await client.info(run);
        await run.output.result(view, async () => {
          const { age, table } = await import('../table.js');
          const facts = [
            ['node', `${view.nodeId}, czone ${view.version}, pid ${view.pid}`],
            ['socket', client.socketPath],
            ['up', age(view.startedAt, new Date())],
            ['accelerator', `${view.accelerator}: ${view.acceleratorReason}`],
            ['QEMU', view.vmmVersion],
            ['guest kernel', view.guestKernel],
            ['VMs', `${view.sandboxCount} of at most ${view.maxSandboxes}`],
            ['containers', String(view.containerCount)],
            ['budget', formatSize(view.budgetBytes)],
            [
              'a VM',
              `${formatSize(view.sandboxBootMemoryBytes)} to boot, ${formatSize(view.sandboxRegionBytes)} for zones`,
            ],
          ];
          const functions = view.functions.map((item) => [
            ...[item.functionId, formatSize(item.defaultMemoryBytes), item.description],
          ]);
          const text = facts.map(([name, value]) => `${`${name}:`.padEnd(14)}${value}`).join('\n');
          return functions.length === 0
            ? text
            : `${text}\n\n${table(['FUNCTION', '>MEMORY', 'WHAT IT DOES'], functions)}`;
        });
      });
    }),
  );
}
