// SPDX-License-Identifier: Apache-2.0
// czone kernel boot: whether the tree's kernel comes up, and what it says.
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { action, PartialFailure } from '../command.js';
import {
  buildFor,
  initramfsOf,
  type KernelOptions,
  kernelOptions,
  qemuFor,
} from '../kernel-options.js';

const TIMEOUT_MS = 5 * 60_000;

export function kernelBoot(program: Command): void {
  kernelOptions(
    program
      .command('boot')
      .summary("boot the tree's kernel to its init and print its log")
      .description(
        'Builds what changed, boots the kernel to its init, prints its log and switches off. Ends\n' +
          'with 4 when it did not come that far, or complained on the way.',
      ),
  ).action(
    action(async (run, options: KernelOptions) => {
      const kernel = await buildFor(run, options);
      const { bootToInit } = await import('../../kernel-dev/boot.js');
      const end = await bootToInit({
        qemuPath: await qemuFor(run),
        kernelPath: kernel.kernelPath,
        initramfsPath: initramfsOf(kernel),
        timeoutMs: TIMEOUT_MS,
        signal: run.signal,
        onLog: (line) => {
          if (!run.output.json) process.stdout.write(`${line}\n`);
        },
      });
      if (!end.reachedInit || end.splats.length > 0) {
        const why = end.reachedInit
          ? `the kernel complained: ${end.splats[0]}`
          : 'the kernel did not come to its init';
        throw new PartialFailure(new CzoneError('FAILED_PRECONDITION', why), end);
      }
      await run.output.result(end, () => 'the kernel came to its init');
    }),
  );
}
