// SPDX-License-Identifier: Apache-2.0
// The guard against regressions: ratios and counts of a run beside a stored baseline.
// Pure. Absolute times are not compared: they hold for one machine only.
import { z } from 'zod';
import type { BenchFile } from './measurement.js';
import type { Guarded, Question } from './question.js';

export const Baseline = z.object({
  version: z.literal(1),
  /** Ratios of an emulated VM say nothing of one under KVM. */
  accelerator: z.enum(['kvm', 'tcg']),
  commit: z.string().nullable(),
  figures: z.array(
    z.object({
      key: z.string(),
      value: z.number(),
      better: z.enum(['lower', 'higher']),
      tolerance: z.number(),
    }),
  ),
});
export type Baseline = z.infer<typeof Baseline>;

export interface Compared {
  readonly key: string;
  readonly before: number;
  readonly now: number;
  /** Share of `before`; above 0 is worse. */
  readonly worseBy: number;
  readonly verdict: 'worse' | 'better' | 'same';
}

export interface Comparison {
  readonly compared: readonly Compared[];
  /** In the baseline, and not measured now. */
  readonly notMeasured: readonly string[];
  readonly notInBaseline: readonly string[];
}

export function guardedOf(file: BenchFile, questions: readonly Question[]): Guarded[] {
  return file.results.flatMap(({ question, measurements }) =>
    (questions.find(({ name }) => name === question)?.guarded(measurements) ?? []).filter(
      ({ value }) => Number.isFinite(value),
    ),
  );
}

export function baselineOf(file: BenchFile, questions: readonly Question[]): Baseline {
  return {
    version: 1,
    accelerator: file.machine.accelerator,
    commit: file.commit,
    figures: guardedOf(file, questions).sort((a, b) => a.key.localeCompare(b.key)),
  };
}

export function compare(baseline: Baseline, now: readonly Guarded[]): Comparison {
  const known = new Map(baseline.figures.map((figure) => [figure.key, figure]));
  const measured = new Set(now.map(({ key }) => key));
  const compared = now.flatMap(({ key, value }): Compared[] => {
    const before = known.get(key);
    if (before === undefined) return [];
    const change = (value - before.value) / Math.abs(before.value);
    const worseBy = before.better === 'lower' ? change : -change;
    const verdict =
      worseBy > before.tolerance ? 'worse' : worseBy < -before.tolerance ? 'better' : 'same';
    return [{ key, before: before.value, now: value, worseBy, verdict }];
  });
  return {
    compared: compared.sort((a, b) => b.worseBy - a.worseBy),
    notMeasured: [...known.keys()].filter((key) => !measured.has(key)),
    notInBaseline: now.map(({ key }) => key).filter((key) => !known.has(key)),
  };
}
