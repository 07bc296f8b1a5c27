// SPDX-License-Identifier: Apache-2.0
// Made-up results, for tests of what is read off them.
import type { BenchFile, Measurement, QuestionResult } from '../../src/bench/measurement.js';

export function measurement(
  of: string,
  what: string,
  at: Measurement['at'],
  ...values: number[]
): Measurement {
  return { of, what, at, values };
}

const where = { sizeMib: 128, pages: '4KiB', kernel: 'czone' };
const stock = { ...where, kernel: 'stock' };

/** czone needs `ourMs` for what a bare fallocate does in 100. */
/** `tripMs`: of an empty request. */
export function b1Measurements(ourMs: number, returnedShare = 1, tripMs = 1): Measurement[] {
  return [
    measurement('limit', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 90, 100, 110),
    measurement('limit-rested', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 100, 110, 120),
    measurement('limit-in-turns', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 125),
    measurement('czone', 'returnMs', where, ourMs),
    measurement('czone', 'guestMs', where, 2),
    measurement('czone', 'totalMs', where, ourMs + 50),
    measurement('czone', 'returnedShare', where, 1.01, returnedShare),
    measurement('czone', 'earlyShare', where, 0.5, 0.75),
    measurement('czone', 'roundTripMs', where, tripMs),
    measurement('virtio-mem', 'returnMs', stock, 800),
    measurement('virtio-mem', 'totalMs', stock, 850),
    measurement('virtio-mem', 'returnedShare', stock, 0.9876),
  ];
}

export function benchFile(measurements: Measurement[]): BenchFile {
  const result: QuestionResult = {
    question: 'b1',
    mode: 'usual',
    command: './czone bench b1',
    commit: 'abcdef',
    startedAt: '2026-11-27T12:00:00.000Z',
    seconds: 61,
    loadBefore: 0.1,
    measurements,
  };
  return {
    version: 1,
    commit: 'abcdef',
    machine: {
      accelerator: 'tcg',
      processor: 'A processor',
      processors: 2,
      memoryBytes: 8 << 30,
      hostKernel: '6.12.0',
      vmm: 'QEMU 11.1.3',
      artifacts: {},
    },
    results: [result],
  };
}
