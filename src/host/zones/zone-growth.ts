// SPDX-License-Identifier: Apache-2.0
// Answers zones that ask for more memory: one command for each that asks, as
// growth-policy.ts decides, and no more often than the bounds of the zone and of its
// VM allow. A guest that asks without end waits longer, and harms nobody else.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../protocol/errors.js';
import type { ZoneId } from '../../protocol/ids.js';
import type { Ledger } from '../ledger/ledger.js';
import { LIMITS } from '../limits.js';
import type { Log } from '../log.js';
import { decideGrowth, GROWTH_STEP_FIRST_BYTES, nextStepBytes } from './growth-policy.js';
import { RateBound } from './rate-bound.js';

/** A zone that has not grown for so long begins with the first step again. */
const QUIET_MS = 10_000;

export interface ZoneGrowthOptions {
  readonly ledger: Ledger;
  /** Gives the zone this size; its present one means no. */
  readonly resize: (zoneId: ZoneId, sizeBytes: number) => Promise<unknown>;
  /** What the node has for all zones. */
  readonly spareBytes: () => number;
  readonly ended: AbortSignal;
  readonly log: Log;
}

interface Asker {
  /** null: it has its answer. */
  wantedBytes: number | null;
  serving: boolean;
  stepBytes: number;
  grownAtMs: number;
  readonly bound: RateBound;
}

export class ZoneGrowth {
  readonly #options: ZoneGrowthOptions;
  readonly #askers = new Map<ZoneId, Asker>();
  readonly #bound: RateBound;

  constructor(options: ZoneGrowthOptions) {
    this.#options = options;
    this.#bound = new RateBound(
      { burst: LIMITS.sandboxGrowthBurst, perSecond: LIMITS.sandboxGrowthPerSecond },
      performance.now(),
    );
  }

  /** The guest says that a zone would use so much. */
  want(zoneId: ZoneId, wantedBytes: number): void {
    const state = this.#options.ledger.zone(zoneId)?.state;
    if (state !== 'plugged' && state !== 'plugging') return;
    let asker = this.#askers.get(zoneId);
    if (asker === undefined) {
      asker = newAsker();
      this.#askers.set(zoneId, asker);
    }
    asker.wantedBytes = wantedBytes;
    if (state === 'plugged') this.serve(zoneId);
  }

  /** The zone is plugged: what it asked for before that was known is answered. */
  serve(zoneId: ZoneId): void {
    const asker = this.#askers.get(zoneId);
    if (asker === undefined || asker.serving || asker.wantedBytes === null) return;
    asker.serving = true;
    this.#answer(zoneId, asker)
      .catch((error: unknown) => {
        if (this.#options.ended.aborted) return;
        // It asks again when the device is back.
        this.#options.log.warn({ zoneId, error: messageOf(error) }, 'a zone could not grow');
      })
      .finally(() => {
        asker.serving = false;
      });
  }

  /** The zone is on its way back. */
  forget(zoneId: ZoneId): void {
    this.#askers.delete(zoneId);
  }

  async #answer(zoneId: ZoneId, asker: Asker): Promise<void> {
    const { ledger, log, ended } = this.#options;
    while (asker.wantedBytes !== null) {
      const nowMs = performance.now();
      const waitMs = Math.max(asker.bound.take(nowMs), this.#bound.take(nowMs));
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: ended, ref: false });
      const zone = ledger.zone(zoneId);
      const wantedBytes = asker.wantedBytes;
      asker.wantedBytes = null;
      if (zone === null || zone.state !== 'plugged' || this.#askers.get(zoneId) !== asker) return;
      // A step that was taken after it had asked is its answer.
      if (wantedBytes === null || wantedBytes <= zone.sizeBytes) continue;
      if (performance.now() - asker.grownAtMs > QUIET_MS) {
        asker.stepBytes = GROWTH_STEP_FIRST_BYTES;
      }
      const decision = decideGrowth({
        sizeBytes: zone.sizeBytes,
        limitBytes: zone.limitBytes,
        wantedBytes,
        stepBytes: asker.stepBytes,
        spareBytes: this.#options.spareBytes(),
      });
      if (decision.kind === 'refuse') {
        log.warn({ zoneId, wantedBytes, reason: decision.reason }, 'a zone does not grow');
        await this.#options.resize(zoneId, zone.sizeBytes);
        continue;
      }
      asker.stepBytes = nextStepBytes(asker.stepBytes);
      asker.grownAtMs = performance.now();
      await this.#options.resize(zoneId, decision.sizeBytes);
    }
  }
}

function newAsker(): Asker {
  return {
    wantedBytes: null,
    serving: false,
    stepBytes: GROWTH_STEP_FIRST_BYTES,
    grownAtMs: performance.now(),
    bound: new RateBound(
      { burst: LIMITS.zoneGrowthBurst, perSecond: LIMITS.zoneGrowthPerSecond },
      performance.now(),
    ),
  };
}
