// SPDX-License-Identifier: Apache-2.0
// How builds show how far they are, on stderr: one line that is redrawn on a
// terminal, else a line whenever something new begins.
import type { Progress } from '../artifacts/progress.js';

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR_LINE = '\r\x1b[K';

export class BuildProgress {
  readonly #stream: ProgressStream;
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  /** By artifact. */
  readonly #running = new Map<string, Progress>();

  constructor(stream: ProgressStream = process.stderr, nowMs = () => performance.now()) {
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  show(progress: Progress): void {
    const before = this.#running.get(progress.artifact);
    this.#running.set(progress.artifact, progress);
    if (this.#stream.isTTY === true) this.#draw();
    else if (before?.what !== progress.what) {
      this.#stream.write(`${this.#clock()} ${describe(progress)}\n`);
    }
  }

  clear(): void {
    if (this.#stream.isTTY === true) this.#stream.write(CLEAR_LINE);
  }

  #draw(): void {
    const text = [...this.#running.values()].map(describe).join(' | ');
    const width = (this.#stream.columns ?? 80) - 1;
    this.#stream.write(CLEAR_LINE + `${this.#clock()} ${text}`.slice(0, width));
  }

  #clock(): string {
    const seconds = Math.floor((this.#nowMs() - this.#startedMs) / 1000);
    return `[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}]`;
  }
}

function describe({ artifact, done, total, what }: Progress): string {
  return `${artifact} ${done}/${total} ${what}`;
}
