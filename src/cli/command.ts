// SPDX-License-Identifier: Apache-2.0
// What every command has in common: its options, Ctrl-C, and how errors become
// exit codes.
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CzoneError, messageOf } from '../protocol/errors.js';
import { EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED, exitCodeOf } from './exit-codes.js';
import { Output } from './output.js';

export const RUN_DIR_DEFAULT = '/run/czone';

/** Errors that other than plain fields belong to, e.g. what went well before. */
export class PartialFailure extends Error {
  readonly first: CzoneError;
  readonly done: object;

  constructor(first: CzoneError, done: object) {
    super(first.message, { cause: first });
    this.first = first;
    this.done = done;
  }
}

export interface Place {
  readonly runDir: string;
  /** null: what the run directory's node says, or node.sock in it. */
  readonly socketPath: string | null;
}

export interface Run extends Place {
  readonly output: Output;
  /** Aborted by the first Ctrl-C or SIGTERM; the second ends the process at once. */
  readonly signal: AbortSignal;
}

export function jsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON object instead of text, also for an error');
}

/** Options of every command that has to do with a node. */
export function nodeOptions(command: Command): Command {
  return jsonOption(command)
    .addOption(
      new Option('--run-dir <dir>', "the node's directory")
        .env('CZONE_RUN_DIR')
        .default(RUN_DIR_DEFAULT),
    )
    .addOption(
      new Option('--socket <path>', "the node's socket (default: node.sock in its directory)").env(
        'CZONE_SOCKET',
      ),
    );
}

/**
 * Wraps what a command does: `body` answers with nothing or an exit code, and
 * throws a CzoneError. `ownSignals`: it handles Ctrl-C itself.
 */
export function action<Options extends object, Args extends unknown[]>(
  body: (run: Run, options: Options, ...args: Args) => Promise<number | undefined>,
  { ownSignals = false } = {},
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const options = given.at(-2) as Options & CommonOptions;
    const args = given.slice(0, -2) as Args;
    // With the name of a file it goes there, and people are still told.
    const output = new Output(options.json === true);
    const interrupted = ownSignals ? null : interruption();
    try {
      const run: Run = {
        runDir: resolve(options.runDir ?? RUN_DIR_DEFAULT),
        socketPath: options.socket === undefined ? null : resolve(options.socket),
        output,
        signal: interrupted?.signal ?? new AbortController().signal,
      };
      process.exitCode = (await body(run, options, ...args)) ?? EXIT_OK;
    } catch (error) {
      process.exitCode = fail(output, error, interrupted?.exitCode() ?? null);
    } finally {
      interrupted?.done();
    }
  };
}

interface CommonOptions {
  readonly json?: boolean | string;
  readonly runDir?: string;
  readonly socket?: string;
}

/** Prints the error; answers with the exit code. */
export function fail(output: Output, error: unknown, interruptedWith: number | null): number {
  const done = error instanceof PartialFailure ? error.done : {};
  const first = error instanceof PartialFailure ? error.first : error;
  const known =
    first instanceof CzoneError
      ? first
      : new CzoneError('INTERNAL', messageOf(first), { cause: first });
  output.error(known, done);
  if (known.code === 'INTERNAL' && process.env['CZONE_DEBUG'] === '1') {
    output.note(first instanceof Error ? (first.stack ?? '') : '');
  }
  return interruptedWith ?? exitCodeOf(known.code);
}

export function defaultSocketPath(place: Place): string {
  return place.socketPath ?? join(place.runDir, 'node.sock');
}

interface Interruption {
  readonly signal: AbortSignal;
  /** null: nobody interrupted. */
  exitCode(): number | null;
  done(): void;
}

function interruption(): Interruption {
  const controller = new AbortController();
  let exitCode: number | null = null;
  const interrupt = (code: number) => {
    if (exitCode !== null) process.exit(code);
    exitCode = code;
    controller.abort(new CzoneError('ABORTED', 'interrupted'));
  };
  const onInt = () => interrupt(EXIT_INTERRUPTED);
  const onTerm = () => interrupt(EXIT_TERMINATED);
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    done: () => {
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
}
