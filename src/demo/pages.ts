// SPDX-License-Identifier: Apache-2.0
// Adds up where the pages of two containers of one function lie. Pure.
import type { ProcessPlacement } from '../host/controller-api.js';
import type { PagesSeen } from './recording.js';

interface Seen {
  readonly container: string;
  readonly processes: readonly ProcessPlacement[];
}

function frames({ processes }: Seen): Set<number> {
  return new Set(processes.flatMap(({ textFrames }) => textFrames));
}

function sum(seen: Seen, count: (process: ProcessPlacement) => number): number {
  return seen.processes.reduce((total, process) => total + count(process), 0);
}

export function pagesOf(seen: Seen, other: Seen): PagesSeen {
  const otherFrames = frames(other);
  return {
    container: seen.container,
    anonymousInZone: sum(seen, ({ anonymous }) => anonymous.inZone),
    anonymousOutside: sum(seen, ({ anonymous }) => anonymous.outside),
    textInZone: sum(seen, ({ text }) => text.inZone),
    textOutside: sum(seen, ({ text }) => text.outside),
    sharedWith: other.container,
    sharedTextPages: [...frames(seen)].filter((frame) => otherFrames.has(frame)).length,
  };
}
