// SPDX-License-Identifier: Apache-2.0
// What the exit status of a command means.
import type { ErrorCode } from '../protocol/errors.js';

export const EXIT_OK = 0;
export const EXIT_INTERNAL = 1;
export const EXIT_USAGE = 2;
export const EXIT_NO_NODE = 6;
/** 128 + SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130;
/** 128 + SIGTERM. */
export const EXIT_TERMINATED = 143;

const EXIT_OF: Readonly<Record<ErrorCode, number>> = {
  INTERNAL: EXIT_INTERNAL,
  INVALID_ARGUMENT: EXIT_USAGE,
  NOT_FOUND: 3,
  FAILED_PRECONDITION: 4,
  ALREADY_EXISTS: 4,
  RESOURCE_EXHAUSTED: 5,
  UNAVAILABLE: EXIT_NO_NODE,
  DEADLINE_EXCEEDED: 7,
  ABORTED: 7,
};

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_OF[code];
}

/** For --help. */
export const EXIT_CODES_HELP = `
Exit status:
  0    done
  1    a fault of czone itself (INTERNAL)
  2    wrong usage or a wrong argument (INVALID_ARGUMENT)
  3    no such container, sandbox, function or image (NOT_FOUND)
  4    not possible in this state (FAILED_PRECONDITION, ALREADY_EXISTS)
  5    full: no room, no memory, no disk space (RESOURCE_EXHAUSTED)
  6    no node runs there, or it is stopping (UNAVAILABLE)
  7    not in time, or ended before it was ready (DEADLINE_EXCEEDED, ABORTED)
  130  interrupted (Ctrl-C)`;
