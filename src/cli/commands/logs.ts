// SPDX-License-Identifier: Apache-2.0
// czone logs: what a container wrote.
import type { Command } from 'commander';
import { action, nodeOptions } from '../command.js';
import { fullContainerIds } from '../container-id.js';
import { withNode } from '../node-connection.js';
import { readSize } from '../read-options.js';

interface Options {
  readonly follow?: boolean;
  readonly tail?: string;
}

export function logs(program: Command): void {
  nodeOptions(
    program
      .command('logs <container>')
      .summary('show what a container wrote')
      .description(
        'Shows stdout and stderr of a container, oldest first.\n' +
          'With --json and --follow: one object a piece, each on a line of its own.',
      )
      .option('-f, --follow', 'go on until the container ends')
      .option('--tail <size>', 'only the last so many bytes, e.g. 4KiB'),
  ).action(
    action(async (run, options: Options, given: string) => {
      const { output, signal } = run;
      const follow = options.follow ?? false;
      const tailBytes = options.tail === undefined ? 0 : readSize('--tail', options.tail);
      await withNode(run, async (client) => {
        const [containerId = given] = await fullContainerIds(client, [given], signal);
        const decoder = new TextDecoder();
        let text = '';
        for await (const piece of client.logs(containerId, { follow, tailBytes, signal })) {
          if (!output.json) await output.bytes(piece);
          else if (follow)
            output.line({ containerId, text: decoder.decode(piece, { stream: true }) });
          else text += decoder.decode(piece, { stream: true });
        }
        if (output.json && !follow) {
          await output.result({ containerId, text: text + decoder.decode() }, () => '');
        }
      });
    }),
  );
}
