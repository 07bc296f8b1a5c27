// SPDX-License-Identifier: Apache-2.0
// czone kernel shell: a root shell in a VM of the tree's kernel.
import { join } from 'node:path';
import type { Command } from 'commander';
import { CzoneError } from '../../protocol/errors.js';
import { action } from '../command.js';
import {
  artifactFor,
  buildFor,
  type KernelOptions,
  kernelOptions,
  qemuFor,
} from '../kernel-options.js';
import { readDuration } from '../read-options.js';

interface Options extends KernelOptions {
  readonly timeout: string;
}

export function kernelShell(program: Command): void {
  kernelOptions(
    program
      .command('shell [command...]')
      .summary("a root shell in a VM of the tree's kernel")
      .description(
        "Builds what changed and opens a root shell in a VM: the product's root file system, the\n" +
          'selftests in /root/tests, a region for zones. `exit` ends the VM; so does Ctrl-A X.\n' +
          'With a command (behind --), runs only that with bash, and ends as it did.',
      )
      .option('--timeout <time>', 'the most that a command may take', '10m'),
  ).action(
    action(async (run, options: Options, words: string[]) => {
      const timeoutMs = readDuration('--timeout', options.timeout);
      if (words.length === 0 && !(process.stdin.isTTY && process.stdout.isTTY)) {
        throw new CzoneError(
          'INVALID_ARGUMENT',
          'a shell needs a terminal; give a command: czone kernel shell -- COMMAND',
          { field: 'command' },
        );
      }
      const kernel = await buildFor(run, options);
      const { SELFTEST_MEMORY } = await import('../../kernel-dev/selftests.js');
      const { runCommand, runShell } = await import('../../kernel-dev/shell.js');
      const shell = {
        qemuPath: await qemuFor(run),
        kernelPath: kernel.kernelPath,
        rootfsPath: join(await artifactFor(run, 'rootfs'), 'rootfs.erofs'),
        testsDir: kernel.testsDir,
        poweroffPath: kernel.poweroffPath,
        terminal: process.stdout.isTTY
          ? { rows: process.stdout.rows, columns: process.stdout.columns }
          : null,
        regionMib: SELFTEST_MEMORY.regionMib,
        clock: 'real',
      } as const;
      if (words.length === 0) {
        await runShell(shell);
        return undefined;
      }
      const end = await runCommand(shell, words.join(' '), { timeoutMs, signal: run.signal });
      await run.output.result(end, () => end.output);
      return end.status;
    }),
  );
}
