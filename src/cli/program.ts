// SPDX-License-Identifier: Apache-2.0
// All commands. What a command needs to run is imported when it runs, so that
// `czone ps` does not wait for what `czone node start` needs.
import { Command } from 'commander';
import { bench } from './commands/bench.js';
import { benchCompare } from './commands/bench-compare.js';
import { benchFigures } from './commands/bench-figures.js';
import { benchReport } from './commands/bench-report.js';
import { benchStart } from './commands/bench-start.js';
import { deleteSandbox } from './commands/delete-sandbox.js';
import { demo } from './commands/demo.js';
import { doctor } from './commands/doctor.js';
import { images } from './commands/images.js';
import { info } from './commands/info.js';
import { inspect } from './commands/inspect.js';
import { kernelBench } from './commands/kernel-bench.js';
import { kernelBoot } from './commands/kernel-boot.js';
import { kernelBuild } from './commands/kernel-build.js';
import { kernelShell } from './commands/kernel-shell.js';
import { kernelTest } from './commands/kernel-test.js';
import { kernelTree } from './commands/kernel-tree.js';
import { logs } from './commands/logs.js';
import { memory } from './commands/memory.js';
import { nodeStart } from './commands/node-start.js';
import { nodeStop } from './commands/node-stop.js';
import { pause } from './commands/pause.js';
import { place } from './commands/place.js';
import { ps } from './commands/ps.js';
import { reclaim } from './commands/reclaim.js';
import { resume } from './commands/resume.js';
import { sandboxes } from './commands/sandboxes.js';
import { stop } from './commands/stop.js';
import { EXIT_CODES_HELP } from './exit-codes.js';

/** `quiet`: errors of usage are told by the caller. */
export function createProgram(version: string, { quiet }: { quiet: boolean }): Command {
  const program = new Command('czone')
    .description(
      'Many containers of one trust domain in one microVM, each in a memory zone of its own\n' +
        'that the host gets back whole.',
    )
    .version(version)
    .showHelpAfterError('(czone --help tells the commands)')
    .addHelpText('after', EXIT_CODES_HELP)
    .exitOverride();
  if (quiet) program.configureOutput({ writeErr: () => {} });
  program.commandsGroup('Containers:');
  for (const add of [place, ps, stop, pause, resume, logs, inspect]) add(program);
  program.commandsGroup('Memory:');
  for (const add of [memory, reclaim]) add(program);
  program.commandsGroup('VMs and the node:');
  for (const add of [sandboxes, deleteSandbox, info]) add(program);
  const node = program
    .command('node')
    .description('Runs and ends nodes.')
    .summary('run a node (node start), end it (node stop)');
  for (const add of [nodeStart, nodeStop]) add(node);
  program.commandsGroup('The host and the whole:');
  for (const add of [doctor, images, demo]) add(program);
  const measuring = program
    .command('bench')
    .description('Measures czone, what one would otherwise use, and the physical limit.')
    .summary('measure against others (bench all, b1 … b9), compare with before');
  for (const add of [bench, benchReport, benchCompare, benchFigures, benchStart]) add(measuring);
  program.commandsGroup('The guest kernel:');
  const kernel = program
    .command('kernel')
    .description(
      'For who changes the guest kernel: an editable tree, builds, VMs of it, selftests.',
    )
    .summary('change the guest kernel (kernel build, boot, shell, test, bench)');
  for (const add of [kernelTree, kernelBuild, kernelBoot, kernelShell, kernelTest, kernelBench])
    add(kernel);
  return program;
}
