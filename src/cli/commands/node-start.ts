// SPDX-License-Identifier: Apache-2.0
// czone node start: runs a node in the foreground.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { NodeConfigInput } from '../../host/config.js';
import { PAGE_SIZES, type PageSize } from '../../host/vm/page-size.js';
import { action, nodeOptions, type Run } from '../command.js';
import { formatSweep } from '../format-sweep.js';
import { packageVersion } from '../package-version.js';
import { readCount, readDuration, readFactor, readSize } from '../read-options.js';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

interface Options {
  readonly region?: string;
  readonly bootMemory?: string;
  readonly maxSandboxes?: string;
  readonly budget?: string;
  readonly overcommit?: string;
  readonly initialMemory?: string;
  readonly pageSize: PageSize;
  readonly vcpus?: string;
  readonly translation?: string;
  readonly sandboxIdle?: string;
  readonly readyTimeout?: string;
  readonly cacheDir?: string;
  readonly qemu?: string;
  readonly kernel?: string;
  readonly rootfs?: string;
  readonly logLevel: string;
  readonly logFile?: string;
  readonly zygote: boolean;
  readonly debugShell?: boolean;
}

export function nodeStart(node: Command): void {
  nodeOptions(
    node
      .command('start')
      .summary('run a node in the foreground')
      .description(
        'Runs a node in the foreground until SIGINT or SIGTERM, which ends its VMs in order;\n' +
          'a second signal ends it at once. One line on stdout tells when it is ready.',
      )
      .option('--region <size>', 'what the zones of a VM can take together (default: 2GiB)')
      .option('--boot-memory <size>', 'memory of a VM beside its zones (default: 256MiB)')
      .option('--max-sandboxes <n>', 'at most so many VMs (default: 8)')
      .option('--budget <size>', 'boot memory and zones of all VMs (default: 3/4 of what is free)')
      .option('--overcommit <n>', 'promise containers so many times the budget (default: 1)')
      .option('--initial-memory <size>', 'what a container has before it grows (default: 8MiB)')
      .addOption(
        new Option('--page-size <size>', "of the host's memory behind the VMs")
          .choices(PAGE_SIZES)
          .default('4KiB'),
      )
      .option('--vcpus <n>', 'virtual CPUs of a VM (default: 2)')
      .option('--translation <size>', 'translated code that an emulated VM keeps (default: 128MiB)')
      .option('--sandbox-idle <time>', 'end a VM without containers after; 0: never (default: 5m)')
      .option('--ready-timeout <time>', 'how long a container may take to answer (default: 120s)')
      .option('--cache-dir <dir>', 'where artifacts lie (default: ~/.cache/czone)')
      .option('--qemu <path>', 'a QEMU instead of the built one')
      .option('--kernel <path>', 'a guest kernel instead of the built one')
      .option('--rootfs <path>', "a guest's root file system instead of the built one")
      .option('--no-zygote', 'start every container by crun')
      .addOption(
        new Option('--log-level <level>', 'how much to log').choices(LEVELS).default('info'),
      )
      .option('--log-file <path>', 'log JSON lines to this file instead of text to stderr')
      .addOption(new Option('--debug-shell', 'a root shell in each guest, for tests').hideHelp()),
  ).action(
    action(
      async (run, options: Options) => {
        const config = configOf(options, run);
        const [{ runNode }, { createController }] = await Promise.all([
          import('../node/run-node.js'),
          import('../../host/controller.js'),
        ]);
        const file = options.logFile === undefined ? null : resolve(options.logFile);
        await runNode(run, config, { level: options.logLevel, file }, (parsed, log) =>
          createController(parsed, {
            version: packageVersion(),
            log,
            onSwept: (report) => run.output.note(`czone: ${formatSweep(report)}`),
          }),
        );
      },
      { ownSignals: true },
    ),
  );
}

/** What is not given is left out: the configuration has its own defaults. */
function configOf(options: Options, run: Run): NodeConfigInput {
  const given = <Value>(text: string | undefined, read: (text: string) => Value) =>
    text === undefined ? undefined : read(text);
  const size = (name: string) => (text: string) => readSize(name, text);
  const time = (name: string) => (text: string) => readDuration(name, text);
  const count = (name: string) => (text: string) => readCount(name, text, 1, 10_000);
  const path = (text: string) => resolve(text);
  const all = {
    runDir: run.runDir,
    socketPath: run.socketPath ?? undefined,
    regionBytes: given(options.region, size('--region')),
    bootMemoryBytes: given(options.bootMemory, size('--boot-memory')),
    maxSandboxes: given(options.maxSandboxes, count('--max-sandboxes')),
    budgetBytes: given(options.budget, size('--budget')),
    overcommit: given(options.overcommit, (text) => readFactor('--overcommit', text)),
    firstBytes: given(options.initialMemory, size('--initial-memory')),
    pageSize: options.pageSize,
    vcpus: given(options.vcpus, count('--vcpus')),
    translationBytes: given(options.translation, size('--translation')),
    sandboxIdleMs: given(options.sandboxIdle, time('--sandbox-idle')),
    defaultReadyTimeoutMs: given(options.readyTimeout, time('--ready-timeout')),
    cacheDir: given(options.cacheDir, path),
    qemuPath: given(options.qemu, path),
    kernelPath: given(options.kernel, path),
    rootfsPath: given(options.rootfs, path),
    zygotes: options.zygote,
    debugShell: options.debugShell,
  };
  const entries = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries);
}
