// SPDX-License-Identifier: Apache-2.0
// Words of the command line to values. A wrong one is INVALID_ARGUMENT and names
// its option.
import { CzoneError } from '../protocol/errors.js';
import { parseSize } from '../protocol/units.js';

function wrong(option: string, why: string): CzoneError {
  return new CzoneError('INVALID_ARGUMENT', `${option}: ${why}`, { field: option });
}

/** Bytes. */
export function readSize(option: string, text: string): number {
  const bytes = parseSize(text);
  if (bytes === null) {
    throw wrong(option, `${JSON.stringify(text)} is not a size; write it like 64MiB or 1GiB`);
  }
  return bytes;
}

export function readCount(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw wrong(option, `${JSON.stringify(text)} is not a whole number from ${min} to ${max}`);
  }
  return value;
}

/** `1.5`: so many times something. */
export function readFactor(option: string, text: string): number {
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(text)) {
    throw wrong(option, `${JSON.stringify(text)} is not a number; write it like 1.5`);
  }
  return Number(text);
}

/** `0.5` CPUs or `500m`, to thousandths. */
export function readCpu(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m?)$/.exec(text);
  const millis = match ? Number(match[1]) * (match[2] === 'm' ? 1 : 1000) : Number.NaN;
  const rounded = Math.round(millis);
  if (!Number.isFinite(millis) || Math.abs(millis - rounded) > 1e-6) {
    throw wrong(
      option,
      `${JSON.stringify(text)} is not a number of CPUs; write it like 0.5 or 500m`,
    );
  }
  return rounded;
}

/** `2s`, `500ms` or a number of seconds, to milliseconds. */
export function readDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  const factor = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? 's'] ?? Number.NaN;
  const ms = match ? Number(match[1]) * factor : Number.NaN;
  if (!Number.isSafeInteger(ms)) {
    throw wrong(option, `${JSON.stringify(text)} is not a duration; write it like 500ms or 2s`);
  }
  return ms;
}

/** `KEY=VALUE`; only the first sign of equality divides. */
export function readPair(option: string, text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw wrong(option, `${JSON.stringify(text)} is not KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** For options that may be given more than once. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
