// SPDX-License-Identifier: Apache-2.0
// A question of the bench: how it is measured, and what is read off the measurements.
import type { Measurement, Measurements, Mode, QuestionName } from './measurement.js';
import type { ReadyMachine } from './vm/machine.js';

export interface BenchContext extends ReadyMachine {
  readonly mode: Mode;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Builds an artifact where it is missing; answers with its directory. */
  readonly ensure: (name: string) => Promise<string>;
  /** Of the command line, for nodes in processes of their own. */
  readonly main: string;
}

export interface Table {
  readonly title: string;
  /** A ">" in front: a column of numbers. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One bar of design: met or not. */
export interface Finding {
  readonly what: string;
  readonly ours: string;
  readonly bar: string;
  /** null: told, not judged. */
  readonly met: boolean | null;
}

/** Watched from one commit to the next: a ratio, or a count of instructions. */
export interface Guarded {
  readonly key: string;
  readonly value: number;
  readonly better: 'lower' | 'higher';
  /** Worse by more than this share is worse. */
  readonly tolerance: number;
}

export interface Plot {
  readonly name: string;
  readonly title: string;
  /** A vega-lite specification. */
  readonly spec: object;
}

export interface Question {
  readonly name: QuestionName;
  readonly title: string;
  /** What is asked, for people; one paragraph. */
  readonly about: string;
  measure(context: BenchContext, into: Measurements): Promise<void>;
  tables(measurements: readonly Measurement[]): Table[];
  findings(measurements: readonly Measurement[]): Finding[];
  guarded(measurements: readonly Measurement[]): Guarded[];
  plots(measurements: readonly Measurement[]): Plot[];
}
