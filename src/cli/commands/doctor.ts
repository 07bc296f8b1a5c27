// SPDX-License-Identifier: Apache-2.0
// czone doctor: what this host lacks and how to mend it.
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../../protocol/errors.js';
import { action, nodeOptions, type Run } from '../command.js';
import type { Finding, HostFacts } from '../doctor/facts.js';
import { exitCodeOf } from '../exit-codes.js';
import { isNeeded } from '../needed-artifacts.js';

interface Options {
  readonly cacheDir?: string;
}

export function doctor(program: Command): void {
  nodeOptions(
    program
      .command('doctor')
      .summary('say what this host lacks and how to mend it')
      .description(
        'Looks at this host and says what it lacks and how to mend it. Changes nothing.\n' +
          'Ends with 4 when something must be mended before a node can run.',
      )
      .option('--cache-dir <dir>', 'where artifacts lie (default: ~/.cache/czone)'),
  ).action(
    action(async (run, options: Options) => {
      const findings = await examine(run, options);
      const ok = findings.every(({ status }) => status !== 'fail');
      await run.output.result({ ok, findings }, () => human(findings));
      return ok ? undefined : exitCodeOf('FAILED_PRECONDITION');
    }),
  );
}

async function examine(run: Run, options: Options): Promise<Finding[]> {
  const [{ readHost }, { judge }, { defaultCacheDir }, { listArtifacts }] = await Promise.all([
    import('../doctor/read-host.js'),
    import('../doctor/judge.js'),
    import('../../host/config.js'),
    import('../../artifacts/list.js'),
  ]);
  const cacheDir = options.cacheDir === undefined ? defaultCacheDir() : resolve(options.cacheDir);
  const artifacts = await listArtifacts({ cacheDir });
  const qemu = artifacts.find(({ name, present }) => name === 'qemu' && present);
  return judge(
    await readHost({
      runDir: run.runDir,
      cacheDir,
      missingArtifacts: async () =>
        artifacts.filter(({ name, present }) => isNeeded(name) && !present).map(({ name }) => name),
      accelerator: () =>
        accelerator(qemu?.dir ? join(qemu.dir, 'qemu-system-x86_64') : 'qemu-system-x86_64'),
    }),
  );
}

/** With the QEMU that a node would take. */
async function accelerator(qemuPath: string): Promise<HostFacts['accelerator']> {
  const [{ chooseAccelerator, realWorld }, { probeKvm }, { examineVmm }] = await Promise.all([
    import('../../host/vm/accelerator.js'),
    import('../../host/vm/accelerator-probe.js'),
    import('../../host/vm/vmm-binary.js'),
  ]);
  return chooseAccelerator(
    realWorld(async () => {
      try {
        return await probeKvm(await examineVmm(qemuPath), '');
      } catch (error) {
        return messageOf(error);
      }
    }),
  );
}

async function human(findings: readonly Finding[]): Promise<string> {
  const lines = findings.flatMap(({ name, status, found, mend }) => [
    `${status.padEnd(5)} ${name}: ${found}`,
    ...(mend === null ? [] : [`        ${mend}`]),
  ]);
  const wrong = findings.filter(({ status }) => status === 'fail').length;
  const end = wrong === 0 ? 'a node can run here' : `${wrong} to mend before a node can run here`;
  return [...lines, '', end].join('\n');
}
