// SPDX-License-Identifier: Apache-2.0
// Boots a kernel to its init, which runs nothing and switches off again.
import { splats } from './ktap.js';
import { SELFTEST_MEMORY } from './selftests.js';
import { runVm } from './vm.js';

export interface BootRun {
  readonly qemuPath: string;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onLog: (line: string) => void;
}

export interface BootEnd {
  readonly reachedInit: boolean;
  readonly log: string;
  readonly splats: readonly string[];
}

export async function bootToInit(run: BootRun): Promise<BootEnd> {
  const { qemuPath, kernelPath, initramfsPath, timeoutMs, signal, onLog } = run;
  const end = await runVm(
    {
      ...SELFTEST_MEMORY,
      qemuPath,
      kernelPath,
      initramfsPath,
      disks: [],
      // No program has this in its name.
      append: ['ktap=ttyS1', 'only=/'],
      clock: 'real',
    },
    { timeoutMs, signal, onLog },
  );
  return { reachedInit: /^# done$/m.test(end.output), log: end.log, splats: splats(end.log) };
}
