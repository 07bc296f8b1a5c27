// SPDX-License-Identifier: Apache-2.0
// czone kernel tree: the editable source of the guest kernel.
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { action, jsonOption } from '../command.js';
import { noteStale, workOf } from '../kernel-options.js';

interface Options {
  readonly renew?: boolean;
}

export function kernelTree(program: Command): void {
  jsonOption(
    program
      .command('tree [dir]')
      .summary('make the editable tree, or say where it is')
      .description(
        "Unpacks Debian's kernel source and commits it to git (tag base), then each patch of the\n" +
          'series (the last one is tag series). Without a directory, that is done once, in the cache;\n' +
          'then the command says where the tree is.',
      )
      .option('--renew', 'make the tree in the cache anew, unless it holds work of yours'),
  ).action(
    action(async (run, options: Options, dir: string | undefined) => {
      if (options.renew === true && dir !== undefined) {
        throw new CzoneError('INVALID_ARGUMENT', '--renew is for the tree in the cache alone', {
          field: '--renew',
        });
      }
      const { ensureTree, makeTree, renewTree } = await import('../../kernel-dev/tree.js');
      const work = await workOf(run);
      const tree =
        options.renew === true
          ? await renewTree(work)
          : dir === undefined
            ? await ensureTree(work, null)
            : await makeTree(work, dir);
      noteStale(run, tree);
      await run.output.result({ tree }, () => tree.dir);
    }),
  );
}
