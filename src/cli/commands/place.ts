// SPDX-License-Identifier: Apache-2.0
// czone place: starts containers of a function.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { ContainerView, StartMode } from '../../host/controller-api.js';
import { formatSize } from '../../protocol/units.js';
import { action, nodeOptions } from '../command.js';
import { each } from '../each.js';
import { withNode } from '../node-connection.js';
import { collect, readCount, readCpu, readDuration, readPair, readSize } from '../read-options.js';

const COUNT_MAX = 200;
/** Placements of one command that run side by side. */
const AT_ONCE = 4;

interface Options {
  readonly tenant: string;
  readonly memory: string;
  readonly image?: string;
  readonly cpu?: string;
  readonly env?: readonly string[];
  readonly label?: readonly string[];
  readonly count: string;
  readonly readyTimeout?: string;
  readonly initialMemory?: string;
  readonly start: 'auto' | 'crun' | 'zygote';
}

export function place(program: Command): void {
  nodeOptions(
    program
      .command('place <function> [command...]')
      .summary('start containers of a function')
      .description(
        'Starts containers of a function, each in a memory zone of its own, in the VM of its tenant.\n' +
          'Words behind -- are run instead of the command of the image. Ctrl-C gives the placement up.',
      )
      .requiredOption('--tenant <name>', 'the trust domain; tenants never share a VM')
      .requiredOption('--memory <size>', 'what each container can use, e.g. 64MiB')
      .option('--initial-memory <size>', 'what it has before it grows (default: the node says)')
      .option('--image <path>', "an OCI layout instead of the catalogue's image")
      .option('--cpu <cpus>', 'at most so many CPUs, e.g. 0.5 or 500m (default: no limit)')
      .option('--env <name=value>', 'a variable of the environment; may be given again', collect)
      .option('--label <key=value>', 'a label; may be given again', collect)
      .option('--count <n>', 'so many containers', '1')
      .option('--ready-timeout <time>', 'give up when it does not answer in time, e.g. 30s')
      .addOption(
        new Option('--start <way>', 'forked from a zygote of the function, or made by crun')
          .choices(['auto', 'crun', 'zygote'])
          .default('auto'),
      ),
  ).action(
    action(async (run, options: Options, functionId: string, command: string[]) => {
      const count = readCount('--count', options.count, 1, COUNT_MAX);
      const placement = {
        tenantId: options.tenant,
        functionId,
        memoryBytes: readSize('--memory', options.memory),
        ...(options.image === undefined ? {} : { image: resolve(options.image) }),
        command,
        environment: (options.env ?? []).map((text) => readPair('--env', text)),
        ...(options.cpu === undefined ? {} : { cpuMillis: readCpu('--cpu', options.cpu) }),
        labels: (options.label ?? []).map((text) => {
          const [key, value] = readPair('--label', text);
          return { key, value };
        }),
        startMode: options.start.toUpperCase() as StartMode,
        ...(options.readyTimeout === undefined
          ? {}
          : { readyTimeoutMs: readDuration('--ready-timeout', options.readyTimeout) }),
        ...(options.initialMemory === undefined
          ? {}
          : { initialMemoryBytes: readSize('--initial-memory', options.initialMemory) }),
      };
      const { describeStart } = await import('../describe.js');
      await withNode(run, async (client) => {
        run.output.progress(
          `placing ${count} × ${functionId} (${formatSize(placement.memoryBytes)}) for ${options.tenant} …`,
        );
        const containers: ContainerView[] = await each(
          run,
          Array.from({ length: count }, (_, index) => index),
          { name: 'containers', atOnce: AT_ONCE },
          () => client.place(placement, { signal: run.signal }),
          (view) => void run.output.result(view, () => describeStart(view)),
        );
        if (run.output.json) await run.output.result({ containers }, () => '');
      });
    }),
  );
}
