// SPDX-License-Identifier: Apache-2.0
// How often something may happen: so many times at once, then so many a second. Pure;
// the clock is the caller's.

export class RateBound {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  constructor(options: { burst: number; perSecond: number }, nowMs: number) {
    this.#burst = options.burst;
    this.#perMs = options.perSecond / 1000;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Takes one: how long the caller must wait for it, ms; 0: not at all. */
  take(nowMs: number): number {
    const passedMs = Math.max(nowMs - this.#atMs, 0);
    this.#tokens = Math.min(this.#tokens + passedMs * this.#perMs, this.#burst);
    this.#atMs = Math.max(nowMs, this.#atMs);
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs);
  }
}
