// SPDX-License-Identifier: Apache-2.0
// What a benchmark leaves: numbers with where they belong, nothing derived. Tables,
// plots and verdicts are made of these, now or later, from the file alone.
import { z } from 'zod';

export const QUESTIONS = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9', 'b10'] as const;
export type QuestionName = (typeof QUESTIONS)[number];

export const MODES = ['quick', 'usual', 'full'] as const;
export type Mode = (typeof MODES)[number];

export const Measurement = z.object({
  /** Whose: a peer's name, or "limit". */
  of: z.string(),
  /** Which quantity, with its unit last: returnMs, residentBytes. */
  what: z.string(),
  /** Where: sizes, kernels, counts. */
  at: z.record(z.string(), z.union([z.string(), z.number()])),
  /** In the order in which they were measured. */
  values: z.array(z.number()),
});
export type Measurement = z.infer<typeof Measurement>;
export type At = Measurement['at'];

export const QuestionResult = z.object({
  question: z.enum(QUESTIONS),
  mode: z.enum(MODES),
  command: z.string(),
  /** null: the checkout was no git repository. */
  commit: z.string().nullable(),
  startedAt: z.string(),
  seconds: z.number(),
  /** Other work on the machine, as its load before; two processors are full at 2. */
  loadBefore: z.number(),
  measurements: z.array(Measurement),
});
export type QuestionResult = z.infer<typeof QuestionResult>;

const MachineFacts = z.object({
  accelerator: z.enum(['kvm', 'tcg']),
  processor: z.string(),
  processors: z.number(),
  memoryBytes: z.number(),
  hostKernel: z.string(),
  vmm: z.string(),
  artifacts: z.record(z.string(), z.string()),
});

type MachineFacts = z.infer<typeof MachineFacts>;

/** What differs between two machines whose figures are not to stand on one page; null: nothing. */
export function otherMachine(one: MachineFacts, other: MachineFacts): string | null {
  const facts = ['accelerator', 'processor', 'processors', 'hostKernel', 'vmm'] as const;
  const fact = facts.find((name) => one[name] !== other[name]);
  return fact === undefined ? null : `${fact} ${one[fact]}, not ${other[fact]}`;
}

export const BenchFile = z.object({
  version: z.literal(1),
  /** Of the last question that was asked. */
  commit: z.string().nullable(),
  machine: MachineFacts,
  results: z.array(QuestionResult),
});
export type BenchFile = z.infer<typeof BenchFile>;

/** Collects values by whose they are, what, and where. */
export class Measurements {
  readonly #byKey = new Map<string, Measurement>();

  add(of: string, what: string, at: At, value: number): void {
    const key = JSON.stringify([of, what, at]);
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, { of, what, at, values: [value] });
    else known.values.push(value);
  }

  list(): Measurement[] {
    return [...this.#byKey.values()];
  }
}

/** The values of what matches all that is given; of several measurements, one after another. */
export function valuesOf(
  measurements: readonly Measurement[],
  of: string,
  what: string,
  at: At = {},
): number[] {
  return measurements
    .filter((item) => item.of === of && item.what === what && matches(item.at, at))
    .flatMap(({ values }) => values);
}

/** The values that one coordinate takes, sorted. */
export function coordinates(measurements: readonly Measurement[], name: string) {
  const found = new Set(measurements.flatMap(({ at }) => (name in at ? [at[name]] : [])));
  return [...found]
    .filter((value) => value !== undefined)
    .sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : 0));
}

function matches(at: At, wanted: At): boolean {
  return Object.entries(wanted).every(([name, value]) => at[name] === value);
}
