// SPDX-License-Identifier: Apache-2.0
// The figures of starts for people.
import { formatSize } from '../protocol/units.js';
import type { Cycles } from './cycles.js';
import type { StartComparison, Starts } from './starts.js';

export const START_HEAD = ['FUNCTION', 'LIVE', '>BY CRUN', '>BY ZYGOTE', '>RATIO'];

export function startRows(starts: Starts): string[][] {
  return starts.functions.flatMap(({ functionId, beside, atOnce, footprint }) => [
    ...beside.map((result) => row(functionId, String(result.count), result)),
    ...(atOnce === null ? [] : [row(functionId, `${atOnce.count} at once`, atOnce)]),
    ...(footprint === null
      ? []
      : [
          [
            functionId,
            `bytes each of ${footprint.count}`,
            `${formatSize(footprint.eachAfterFirstBytes)} after 1 request`,
            `${formatSize(footprint.eachAfterAllBytes)} after ${starts.requests}`,
            '',
          ],
        ]),
  ]);
}

export function cycleRows(cycles: Cycles): string[][] {
  return [
    ['cycles', `${cycles.cycles}, ${cycles.atOnce} at once`],
    ['start to first response, median', milliseconds(cycles.totalUs.median)],
    ['longest', milliseconds(cycles.totalUs.max)],
    ['started by crun', String(cycles.fallbacks)],
    ['bytes kept by ended containers', formatSize(cycles.keptBytes)],
    [
      'VM on the host, early and late',
      `${formatSize(cycles.earlyBytes)}, ${formatSize(cycles.lateBytes)}`,
    ],
  ];
}

function row(functionId: string, count: string, result: StartComparison): string[] {
  return [
    functionId,
    count,
    milliseconds(result.crun.totalUs.median),
    milliseconds(result.zygote.totalUs.median),
    result.ratio.toFixed(1),
  ];
}

function milliseconds(us: number): string {
  return `${Math.round(us / 1000)} ms`;
}
