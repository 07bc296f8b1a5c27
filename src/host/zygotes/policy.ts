// SPDX-License-Identifier: Apache-2.0
// How a container is to be started, when a zygote is made, and which zygotes go when
// memory is short. Pure: state in, decision out.
//
// A zygote costs what its function costs once. It is made after the first container of
// a function revision in a VM, in the background, so that no start waits for it; or at
// once where a start by zygote is asked for.
import type { StartMode } from '../controller-api.js';

/** What an image says of itself: its command as a zygote, or why it has none. */
export type ZygoteSupport =
  | { readonly kind: 'command'; readonly command: readonly string[] }
  | { readonly kind: 'none'; readonly reason: string };

export type ZygoteStanding =
  | { readonly kind: 'none' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  /** It could not be made, or did not serve. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface StartQuestion {
  readonly mode: StartMode;
  /** The node makes zygotes. */
  readonly enabled: boolean;
  readonly support: ZygoteSupport;
  /** The request has a command of its own. */
  readonly ownCommand: boolean;
  readonly standing: ZygoteStanding;
}

export type StartDecision =
  | { readonly kind: 'crun'; readonly reason: string; readonly makeOne: boolean }
  | { readonly kind: 'zygote'; readonly reason: string }
  /** A zygote has to be made, or waited for, first. */
  | { readonly kind: 'zygote-first' }
  | { readonly kind: 'refuse'; readonly reason: string };

export function decideStart(question: StartQuestion): StartDecision {
  const { mode, standing, support } = question;
  if (mode === 'CRUN') return crun('it was asked for so');
  const obstacle = obstacleOf(question);
  if (obstacle !== null) {
    return mode === 'ZYGOTE' ? { kind: 'refuse', reason: obstacle } : crun(obstacle);
  }
  if (support.kind === 'none') throw new Error('an obstacle was overlooked');
  switch (standing.kind) {
    case 'ready':
      return { kind: 'zygote', reason: "the function's zygote is ready" };
    case 'starting':
      return mode === 'ZYGOTE' ? { kind: 'zygote-first' } : crun('its zygote is not ready yet');
    case 'none':
      if (mode === 'ZYGOTE') return { kind: 'zygote-first' };
      return { ...crun('the function has no zygote in this VM yet'), makeOne: true };
    case 'failed':
      // Who asks for it by name has perhaps mended it.
      return mode === 'ZYGOTE' ? { kind: 'zygote-first' } : crun(standing.reason);
  }
}

function obstacleOf({ enabled, support, ownCommand }: StartQuestion): string | null {
  if (!enabled) return 'this node makes no zygotes';
  if (ownCommand) return 'it runs a command of its own';
  return support.kind === 'none' ? support.reason : null;
}

function crun(reason: string): { kind: 'crun'; reason: string; makeOne: boolean } {
  return { kind: 'crun', reason, makeOne: false };
}

export interface ZygoteFacts<Id> {
  readonly id: Id;
  /** Containers that share its pages. */
  readonly children: number;
  readonly lastUsedMs: number;
}

/**
 * The zygotes that can go when memory is short, first to last: those that nobody shares,
 * for only they give their zone back at once, and of these the longest unused first.
 */
export function zygotesToDrop<Id>(zygotes: readonly ZygoteFacts<Id>[]): Id[] {
  return zygotes
    .filter(({ children }) => children === 0)
    .sort((left, right) => left.lastUsedMs - right.lastUsedMs)
    .map(({ id }) => id);
}

/** A zygote that ended, or refused, so often is not made again for this revision. */
export const FAILURES_MAX = 3;
