// SPDX-License-Identifier: Apache-2.0
// czone kernel build: what changed in the tree.
import type { Command } from 'commander';
import { action } from '../command.js';
import { buildFor, type KernelOptions, kernelOptions } from '../kernel-options.js';

export function kernelBuild(program: Command): void {
  kernelOptions(
    program
      .command('build')
      .summary('build what changed in the tree')
      .description(
        'Builds kernel and selftests of the tree, as far as something changed. The first build of\n' +
          'a flavour takes minutes, one after an edit seconds. Makes the tree when there is none.',
      ),
  ).action(
    action(async (run, options: KernelOptions) => {
      const kernel = await buildFor(run, options);
      await run.output.result(
        { kernel },
        () => `${kernel.kernelPath}\n${kernel.flavour}, ${(kernel.durationMs / 1000).toFixed(1)} s`,
      );
    }),
  );
}
