// SPDX-License-Identifier: Apache-2.0
// Measures the kernel: what zones cost with few and with many of them, and what a
// page fault costs in a zone, outside, and on the same kernel without the series.
//
// Times of an emulated VM hold for this machine only; ratios say more. Counted
// instructions are the same everywhere (see Clock in vm.ts).
import { join } from 'node:path';
import { z } from 'zod';
import { CzoneError } from '../protocol/errors.js';
import type { BuiltKernel } from './build.js';
import { runCommand, type Shell } from './shell.js';
import type { Clock } from './vm.js';

const ZoneLine = z.object({
  name: z.string(),
  zones: z.number(),
  count: z.number(),
  minNs: z.number().optional(),
  medianNs: z.number(),
  p90Ns: z.number().optional(),
});
const SizeLine = z.object({
  name: z.literal('report-size'),
  zones: z.number(),
  pages: z.number(),
  ranges: z.number(),
});
const FaultLine = z.object({
  name: z.literal('fault'),
  kind: z.string(),
  where: z.enum(['outside', 'zone', 'large-zone', 'outside-with-zone']),
  count: z.number(),
  medianTicks: z.number(),
  meanTicks: z.number(),
  meanNs: z.number(),
});
const CalibrationLine = z.object({
  name: z.literal('calibration'),
  instructions: z.number(),
  ticks: z.number(),
});
const Line = z.union([FaultLine, CalibrationLine, SizeLine, ZoneLine]);

type BenchLine = z.infer<typeof Line>;

export type ZoneFigure = z.infer<typeof ZoneLine>;
export type ReportSize = z.infer<typeof SizeLine>;
export type FaultFigure = z.infer<typeof FaultLine>;
type Calibration = z.infer<typeof CalibrationLine>;

export interface BenchRun {
  readonly qemuPath: string;
  readonly rootfsPath: string;
  readonly kernel: BuiltKernel;
  /** Of the source without the series, with the same options. */
  readonly base: BuiltKernel;
  readonly zones: readonly number[];
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** A page fault of one kind; `unpatched` is the measure of the others. */
export interface FaultCost {
  readonly kind: string;
  readonly unpatched: number;
  readonly outside: number;
  /** Outside, while a process lives in a zone. */
  readonly outsideWithZone: number;
  readonly zone: number;
  /** In a zone as large as the memory outside, whose per-cpu lists are as long. */
  readonly largeZone: number;
}

export interface BenchResult {
  readonly zones: readonly ZoneFigure[];
  readonly reports: readonly ReportSize[];
  /** Mean time, ns. */
  readonly faultNs: readonly FaultCost[];
  /** Executed instructions: of the median fault, which the per-cpu lists serve. */
  readonly faultInstructions: readonly FaultCost[];
  /** The mean: with the filling of these lists, and the timer. */
  readonly faultInstructionsMean: readonly FaultCost[];
  /** What the emulator's clock made of a loop of known length. */
  readonly calibration: { readonly instructions: number; readonly ticks: number };
}

const TIMEOUT_MS = 30 * 60_000;
/** The zone that is measured, and the ones beside it (czone_bench.c). */
const MEASURED_MIB = 128;
/** The large one of the faults, alone. */
const LARGE_MIB = 512;
const OTHER_MIB = 4;
/** A counted instruction more or less in a thousand: the clock counts something else. */
const CALIBRATION_TOLERANCE = 1 / 1000;

export function readLines(text: string): BenchLine[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('{'))
    .map((line) => {
      try {
        return Line.parse(JSON.parse(line));
      } catch (cause) {
        throw new CzoneError('INTERNAL', `czone_bench printed something else: ${line}`, { cause });
      }
    });
}

export async function runBench(run: BenchRun): Promise<BenchResult> {
  const most = Math.max(...run.zones);
  const regionMib = Math.ceil((MEASURED_MIB + (most - 1) * OTHER_MIB) / 128) * 128;
  run.say(`plug, unplug, fork and report, with ${run.zones.join(', ')} zones`);
  const zones = await bench(run, run.kernel, `zones ${run.zones.join(' ')}`, 'real', regionMib);
  run.say('page faults, timed');
  const timed = await faultLines(run, 'real');
  run.say('page faults, instructions counted');
  const counted = await faultLines(run, 'instructions');
  const isCalibration = (line: BenchLine): line is Calibration => line.name === 'calibration';
  const calibration = checkCalibration(counted.patched.find(isCalibration));
  const costs = (lines: FaultLines, value: (line: FaultFigure) => number) =>
    costsOf(lines.unpatched, lines.patched, value);
  return {
    zones: zones.filter((line): line is ZoneFigure => 'medianNs' in line),
    reports: zones.filter((line): line is ReportSize => line.name === 'report-size'),
    faultNs: costs(timed, ({ meanNs }) => meanNs),
    faultInstructions: costs(counted, ({ medianTicks }) => medianTicks),
    faultInstructionsMean: costs(counted, ({ meanTicks }) => meanTicks),
    calibration,
  };
}

/** Of the unpatched kernel and of the patched one. */
interface FaultLines {
  readonly unpatched: readonly BenchLine[];
  readonly patched: readonly BenchLine[];
}

async function faultLines(run: BenchRun, clock: Clock): Promise<FaultLines> {
  return {
    unpatched: await bench(run, run.base, 'faults', clock, LARGE_MIB),
    patched: await bench(run, run.kernel, 'zone-faults', clock, LARGE_MIB),
  };
}

/** INTERNAL where one of them lacks a kind of fault. */
export function costsOf(
  unpatched: readonly BenchLine[],
  patched: readonly BenchLine[],
  value: (line: FaultFigure) => number,
): FaultCost[] {
  const isFault = (line: BenchLine): line is FaultFigure => line.name === 'fault';
  const of = (kind: string, where: FaultFigure['where']): number => {
    const line = patched.filter(isFault).find((item) => item.kind === kind && item.where === where);
    if (line === undefined) {
      throw new CzoneError('INTERNAL', `czone_bench said nothing of ${kind} faults ${where}`);
    }
    return value(line);
  };
  return unpatched.filter(isFault).map((line) => ({
    kind: line.kind,
    unpatched: value(line),
    outside: of(line.kind, 'outside'),
    outsideWithZone: of(line.kind, 'outside-with-zone'),
    zone: of(line.kind, 'zone'),
    largeZone: of(line.kind, 'large-zone'),
  }));
}

/** INTERNAL where the clock did not count instructions. */
export function checkCalibration(line: Calibration | undefined): BenchResult['calibration'] {
  const { instructions = 0, ticks = 0 } = line ?? {};
  if (Math.abs(ticks - instructions) > instructions * CALIBRATION_TOLERANCE || ticks === 0) {
    throw new CzoneError(
      'INTERNAL',
      `the emulator's clock counted ${ticks} ticks in a loop of ${instructions} instructions`,
    );
  }
  return { instructions, ticks };
}

async function bench(
  run: BenchRun,
  kernel: BuiltKernel,
  words: string,
  clock: Clock,
  regionMib: number,
): Promise<BenchLine[]> {
  const shell: Shell = {
    qemuPath: run.qemuPath,
    kernelPath: kernel.kernelPath,
    rootfsPath: run.rootfsPath,
    // The unpatched tree has none; the program is the same for both.
    testsDir: run.kernel.testsDir,
    poweroffPath: run.kernel.poweroffPath,
    terminal: null,
    regionMib,
    clock,
  };
  const end = await runCommand(shell, `${join('/root/tests', 'czone_bench')} ${words}`, {
    timeoutMs: TIMEOUT_MS,
    signal: run.signal,
  });
  if (end.status !== 0) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `czone_bench ${words} failed (status ${end.status}):\n${end.output.trimEnd()}`,
    );
  }
  return readLines(end.output);
}
