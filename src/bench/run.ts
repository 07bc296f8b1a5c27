// SPDX-License-Identifier: Apache-2.0
// Asks questions, one after another, and keeps what came out.
import { type BenchFile, Measurements, type QuestionResult } from './measurement.js';
import type { BenchContext, Question } from './question.js';
import { quietParts, waitUntilQuiet } from './quiet.js';

export interface Asked {
  readonly questions: readonly Question[];
  readonly context: BenchContext;
  readonly commit: string | null;
  /** After each question: what there is so far. */
  readonly keep: (file: BenchFile) => Promise<void>;
  /** Results of other questions, from a run before on the same machine. */
  readonly before: readonly QuestionResult[];
}

export async function ask(asked: Asked): Promise<BenchFile> {
  const { context, questions, commit } = asked;
  const asking = new Set(questions.map(({ name }) => name));
  let results = asked.before.filter(({ question }) => !asking.has(question));
  const file = (): BenchFile => ({
    version: 1,
    commit,
    machine: { ...context.facts },
    results,
  });
  for (const question of questions) {
    const measured = await askOne(question, context, commit);
    results = [...results, measured];
    await asked.keep(file());
  }
  return file();
}

async function askOne(
  question: Question,
  context: BenchContext,
  commit: string | null,
): Promise<QuestionResult> {
  const quiet = quietParts(context.say, context.signal);
  const loadBefore = context.mode === 'quick' ? quiet.load() : await waitUntilQuiet(quiet);
  const startedAt = new Date();
  const into = new Measurements();
  await question.measure(context, into);
  return {
    question: question.name,
    mode: context.mode,
    command: `./czone bench ${question.name}${context.mode === 'usual' ? '' : ` --${context.mode}`}`,
    commit,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    loadBefore: Math.round(loadBefore * 100) / 100,
    measurements: into.list(),
  };
}
