// SPDX-License-Identifier: Apache-2.0
// The stages of a start.
import type { Stage } from '../protocol/gen/czone/guest/v1/agent.js';

/** Notes the time since the mark before, or since its making. */
export function stopwatch(stages: Stage[]): (name: string) => void {
  let last = process.hrtime.bigint();
  return (name) => {
    const now = process.hrtime.bigint();
    stages.push({ name, durationUs: (now - last) / 1000n });
    last = now;
  };
}
