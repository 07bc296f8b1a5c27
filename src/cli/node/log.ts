// SPDX-License-Identifier: Apache-2.0
// The node's log: lines for people on stderr, or JSON lines in a file.
import { Writable } from 'node:stream';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { CzoneError, messageOf } from '../../protocol/errors.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** `file` null: stderr. */
export function createLog(level: string, file: string | null): Logger {
  if (!(LOG_LEVELS as readonly string[]).includes(level)) {
    throw new CzoneError('INVALID_ARGUMENT', `--log-level is not one of ${LOG_LEVELS.join(', ')}`, {
      field: '--log-level',
    });
  }
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime };
  if (file === null) return pino(options, humanLines(process.stderr));
  try {
    return pino(options, destination({ dest: file, sync: true, mkdir: true, mode: 0o600 }));
  } catch (error) {
    throw new CzoneError(
      'INVALID_ARGUMENT',
      `--log-file ${file} can't be opened: ${messageOf(error)}`,
      {
        field: '--log-file',
        cause: error,
      },
    );
  }
}

/** Takes pino's JSON lines and writes them for people. */
export function humanLines(to: NodeJS.WritableStream): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) {
        if (line !== '') to.write(`${humanLine(line)}\n`);
      }
      done();
    },
  });
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

export function humanLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { time, level, msg, err, ...rest } = entry;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const name = (LEVEL_NAMES[Number(level)] ?? '').padEnd(5);
  const details = Object.entries(rest).map(([key, value]) => ` ${key}=${plain(value)}`);
  return `${clock} ${name} ${typeof msg === 'string' ? msg : ''}${details.join('')}${errorText(err)}`;
}

function plain(value: unknown): string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : JSON.stringify(value);
}

/** The stack says where; each of its lines is indented. */
function errorText(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const { stack } = err as { stack?: unknown };
  const text = typeof stack === 'string' ? stack : JSON.stringify(err);
  return `\n${text.replace(/^/gm, '    ')}`;
}
