// SPDX-License-Identifier: Apache-2.0
// How much a zone that asks for more gets. Pure: state in, decision out.
//
// It gets at least what it asks for, and no less than a step more than it has. Steps
// double while a zone asks again and again, so that a container that fills its memory
// asks a few times and not hundreds, and one that needs little takes little.
import { BLOCK_BYTES, formatSize, MIB } from '../../protocol/units.js';

export const GROWTH_STEP_FIRST_BYTES = 8 * MIB;
export const GROWTH_STEP_MAX_BYTES = 64 * MIB;

export interface GrowthQuestion {
  readonly sizeBytes: number;
  readonly limitBytes: number;
  /** What the guest asks to have; believed in nothing but that it is a number. */
  readonly wantedBytes: number;
  readonly stepBytes: number;
  /** What the node has for all zones. */
  readonly spareBytes: number;
}

export type GrowthDecision =
  | { readonly kind: 'grow'; readonly sizeBytes: number }
  | { readonly kind: 'refuse'; readonly reason: string };

export function decideGrowth(question: GrowthQuestion): GrowthDecision {
  const { sizeBytes, limitBytes } = question;
  if (sizeBytes >= limitBytes) return refuse('it has all that it may have');
  const asked = Math.max(question.wantedBytes, sizeBytes + question.stepBytes);
  const wholeBytes = Math.ceil(Math.min(asked, limitBytes) / BLOCK_BYTES) * BLOCK_BYTES;
  // A part is better than nothing: its container goes on for a while.
  const spareBytes = Math.floor(question.spareBytes / BLOCK_BYTES) * BLOCK_BYTES;
  const target = Math.min(wholeBytes, limitBytes, sizeBytes + spareBytes);
  if (target <= sizeBytes) {
    return refuse(`the node has ${formatSize(question.spareBytes)} left for all zones`);
  }
  return { kind: 'grow', sizeBytes: target };
}

/** The step after one that was taken. */
export function nextStepBytes(stepBytes: number): number {
  return Math.min(stepBytes * 2, GROWTH_STEP_MAX_BYTES);
}

function refuse(reason: string): GrowthDecision {
  return { kind: 'refuse', reason };
}
