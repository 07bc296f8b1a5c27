// SPDX-License-Identifier: Apache-2.0
// Reads tap's stream line by line and prints one line a test file, with what a
// reader needs: comments (figures), skipped tests, and all of a failed file.

export interface TapCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const SUBTEST = /^# Subtest: (.*)$/;
const RESULT = /^(not )?ok \d+ - (\S+)(?: # time=([\d.]+)ms)?/;
const CLOSING = /^# \{ (total: \d+(?:, \w+: \d+)*) \}$/;
const COMMENT = /^\s+# (?!Subtest: |time=|\{ |No coverage)(.*)$/;
const SKIPPED = /^\s+ok \d+ - (.*?) # (?:SKIP|TODO)\s*(.*)$/;

/** Within a failed file: what passed, plans and empty lines. */
const UNEVENTFUL = /^\s*(ok \d+\b.*|1\.\.\d+|# time=.*)?$/;

function countsOf(closing: string): TapCounts {
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(closing)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') };
}

export class TapPrinter {
  /** null until the closing line has come. */
  counts: TapCounts | null = null;
  readonly skipped: string[] = [];
  readonly #print: (line: string) => void;
  readonly #live: boolean;
  #body: string[] = [];
  #notes: string[] = [];

  /** `live`: files run one by one, so that comments can be told as they come. */
  constructor(print: (line: string) => void, live: boolean) {
    this.#print = print;
    this.#live = live;
  }

  line(line: string): void {
    const begun = SUBTEST.exec(line);
    if (begun) {
      this.#body = [];
      this.#notes = [];
      if (this.#live) this.#print(`run    ${begun[1]}`);
      return;
    }
    const result = RESULT.exec(line);
    if (result) {
      this.#ended(result[2] ?? '', result[1] === undefined, Number(result[3] ?? 0));
      return;
    }
    const closing = CLOSING.exec(line);
    if (closing) this.counts = countsOf(closing[1] ?? '');
    if (line.startsWith('    ')) this.#inside(line);
  }

  #inside(line: string): void {
    this.#body.push(line.slice(4));
    const comment = COMMENT.exec(line);
    if (comment) {
      if (this.#live) this.#print(`       ${comment[1]}`);
      else this.#notes.push(comment[1] ?? '');
    }
    const skipped = SKIPPED.exec(line);
    if (skipped) {
      const told = skipped[2] ? `${skipped[1]} (${skipped[2]})` : (skipped[1] ?? '');
      this.skipped.push(told);
      this.#notes.push(`skipped: ${told}`);
    }
  }

  #ended(file: string, passed: boolean, durationMs: number): void {
    this.#print(`${passed ? 'ok    ' : 'FAILED'} ${file} (${(durationMs / 1000).toFixed(1)} s)`);
    const told = passed ? this.#notes : this.#body.filter((line) => !UNEVENTFUL.test(line));
    for (const line of told) this.#print(`       ${line}`);
    this.#body = [];
    this.#notes = [];
  }
}
