// SPDX-License-Identifier: Apache-2.0
// The physical limit: one fallocate(PUNCH_HOLE) on the host over as many resident bytes,
// in a plain process that has them mapped (vm-images/bench/punch.c).
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { PageSize } from '../host/vm/page-size.js';
import type { Machine } from './vm/bench-vm.js';

const Round = z.object({
  ns: z.number(),
  residentBytes: z.number(),
  leftBytes: z.number(),
  hugeBytes: z.number(),
});

export type PunchRound = z.infer<typeof Round>;

const PUNCH_MS = 300_000;

/** The first round of each process counts too: its pages are as fresh as a guest's. */
export async function punchLimit(
  machine: Machine,
  punchPath: string,
  {
    bytes,
    pageSize,
    rounds,
    restMs,
    ranges,
    turnBytes,
  }: {
    /** Of a range. */
    readonly bytes: number;
    readonly pageSize: PageSize;
    readonly rounds: number;
    /** Before each punch. */
    readonly restMs: number;
    /** Touched in turns of `turnBytes`, then punched one by one: a result each. */
    readonly ranges: number;
    readonly turnBytes: number;
  },
): Promise<PunchRound[]> {
  const fd =
    pageSize === '2MiB' ? machine.addon.createMemory('czone-limit', ranges * bytes, true) : null;
  try {
    const args = [
      `${bytes}`,
      `${rounds}`,
      `${restMs}`,
      `${ranges}`,
      `${turnBytes}`,
      ...(fd === null ? [] : [`/proc/${process.pid}/fd/${fd}`]),
    ];
    const { stdout } = await promisify(execFile)(punchPath, args, {
      timeout: PUNCH_MS,
      signal: machine.signal,
    });
    return stdout
      .trim()
      .split('\n')
      .map((line) => Round.parse(JSON.parse(line)));
  } finally {
    if (fd !== null) machine.addon.closeMemory(fd);
  }
}
