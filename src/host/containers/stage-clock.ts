// SPDX-License-Identifier: Apache-2.0
// The breakdown of a start: how long each stage took.
import type { Stage, StageName } from '../controller-api.js';

const ORDER: readonly StageName[] = [
  'vm',
  'zygote',
  'image',
  'plug',
  'network',
  'cgroup',
  'spawn',
  'create',
  'ready',
];

export class StageClock {
  readonly #nowMs: () => number;
  readonly #us = new Map<StageName, number>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  async time<T>(name: StageName, work: () => Promise<T>): Promise<T> {
    const begin = this.#nowMs();
    try {
      return await work();
    } finally {
      this.add(name, Math.round((this.#nowMs() - begin) * 1000));
    }
  }

  /** Adds to what the stage has already; names that are not stages are dropped. */
  add(name: string, durationUs: number): void {
    const known = ORDER.find((stage) => stage === name);
    if (known !== undefined) this.#us.set(known, (this.#us.get(known) ?? 0) + durationUs);
  }

  stages(): readonly Stage[] {
    return ORDER.flatMap((name) => {
      const durationUs = this.#us.get(name);
      return durationUs === undefined ? [] : [{ name, durationUs }];
    });
  }
}
