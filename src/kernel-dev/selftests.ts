// SPDX-License-Identifier: Apache-2.0
// Runs the selftests of the series in a VM and says what became of them.
import { type Report, readKtap, splats } from './ktap.js';
import { runVm, type Vm } from './vm.js';

/** Less than 512 MiB would turn transparent huge pages off at boot. */
export const SELFTEST_MEMORY = { bootMib: 512, regionMib: 1024 } as const;

export interface SelftestRun {
  readonly qemuPath: string;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  /** Picks the programs whose name has this in it. */
  readonly only?: string | undefined;
  /** For a long run: how long the stress test takes, and how many lives of a zone. */
  readonly long?: { readonly stressSeconds: number; readonly cycles: number } | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly onOutput?: (line: string) => void;
}

export interface SelftestResult {
  readonly report: Report;
  /** Lines of the kernel's log that must not be there. */
  readonly splats: readonly string[];
  readonly log: string;
  readonly output: string;
  readonly timedOut: boolean;
  readonly status: number | null;
  readonly stderr: string;
}

export async function runSelftests(run: SelftestRun): Promise<SelftestResult> {
  const vm: Vm = {
    ...SELFTEST_MEMORY,
    qemuPath: run.qemuPath,
    kernelPath: run.kernelPath,
    initramfsPath: run.initramfsPath,
    disks: [],
    append: [
      'ktap=ttyS1',
      ...(run.only === undefined ? [] : [`only=${run.only}`]),
      // What the kernel does not know goes to the environment of its init.
      ...(run.long === undefined
        ? []
        : [`CZONE_STRESS_SECONDS=${run.long.stressSeconds}`, `CZONE_CYCLES=${run.long.cycles}`]),
    ],
    clock: 'real',
  };
  const { timeoutMs, signal, onOutput } = run;
  const end = await runVm(vm, {
    timeoutMs,
    ...(signal ? { signal } : {}),
    ...(onOutput ? { onOutput } : {}),
  });
  return { ...end, report: readKtap(end.output), splats: splats(end.log) };
}

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed, with what it printed. */
  readonly failures: readonly { readonly name: string; readonly output: readonly string[] }[];
}

const LOG_LINES = 40;

/** Counts cases; what is wrong with the run itself counts as failed ones. */
export function verdictOf(result: SelftestResult): Verdict {
  const failures: { name: string; output: readonly string[] }[] = [];
  let passed = 0;
  let skipped = 0;
  for (const program of result.report.programs) {
    const before = failures.length;
    if (program.skipped) skipped += 1;
    for (const one of program.cases) {
      if (one.skipped !== null) skipped += 1;
      else if (one.ok) passed += 1;
      else failures.push({ name: one.name, output: one.output });
    }
    for (const problem of program.problems) failures.push({ name: problem, output: [] });
    if (!program.ok && failures.length === before) {
      failures.push({ name: `${program.name} ended badly`, output: [] });
    }
  }
  const logEnd = result.log.trimEnd().split('\n').slice(-LOG_LINES);
  const wrong = [
    ...(result.timedOut ? ['the VM did not come to its end in time'] : result.report.problems),
    ...(result.status === 0 || result.timedOut ? [] : [`QEMU ended badly: ${result.stderr}`]),
  ];
  for (const name of wrong) failures.push({ name, output: logEnd });
  if (result.splats.length > 0) {
    failures.push({ name: 'the kernel complained', output: splatContext(result.log) });
  }
  return { passed, failed: failures.length, skipped, failures };
}

/** From the first complaint on. */
function splatContext(log: string): string[] {
  const lines = log.split('\n').map((line) => line.trimEnd());
  const first = lines.findIndex((line) => splats(line).length > 0);
  return lines.slice(Math.max(0, first - 2), first + LOG_LINES);
}
