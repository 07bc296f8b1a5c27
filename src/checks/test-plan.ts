// SPDX-License-Identifier: Apache-2.0
// Which test files a command line asks for.
import { CzoneError } from '../protocol/errors.js';

export type Kind = 'unit' | 'vm' | 'kernel';

export interface TestPlan {
  /** Static checks too: only where all is asked for. */
  readonly checks: boolean;
  /** Paths relative to the checkout. */
  readonly files: Readonly<Record<Kind, readonly string[]>>;
}

const KINDS: readonly Kind[] = ['unit', 'vm', 'kernel'];

function kindOf(path: string): Kind {
  if (path.startsWith('dist/test/vm/')) return 'vm';
  return path.startsWith('dist/test/kernel/') ? 'kernel' : 'unit';
}

/**
 * The tests that measure times, and those that do not mind when a kernel is compiled
 * beside them, with what they leave of the processors: two fifths, where there are two.
 */
export function timedAndOthers(files: readonly string[]): [timed: string[], others: string[]] {
  const isTimed = (path: string) => path.endsWith('/bench.test.js');
  return [files.filter(isTimed), files.filter((path) => !isTimed(path))];
}

/** `args`: any of --unit, --vm, --kernel, and parts of paths; a file runs when one of them fits. */
export function testPlan(args: readonly string[], files: readonly string[]): TestPlan {
  const kinds = new Set<Kind>();
  const filters: string[] = [];
  for (const arg of args) {
    const kind = KINDS.find((known) => arg === `--${known}`);
    if (kind) kinds.add(kind);
    else if (arg.startsWith('-')) {
      throw new CzoneError(
        'INVALID_ARGUMENT',
        `unknown option ${arg}: ./czone test [FILTER] [--unit|--vm|--kernel]`,
      );
    } else {
      // Sources are what a person sees.
      filters.push(arg.replace(/\.ts$/, '.js'));
    }
  }
  const wanted = files.filter(
    (path) =>
      (kinds.size === 0 || kinds.has(kindOf(path))) &&
      (filters.length === 0 || filters.some((filter) => path.includes(filter))),
  );
  return {
    checks: args.length === 0,
    files: {
      unit: wanted.filter((path) => kindOf(path) === 'unit'),
      vm: wanted.filter((path) => kindOf(path) === 'vm'),
      kernel: wanted.filter((path) => kindOf(path) === 'kernel'),
    },
  };
}
