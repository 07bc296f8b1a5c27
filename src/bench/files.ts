// SPDX-License-Identifier: Apache-2.0
// Results and baselines as files, checked when they are read.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CzoneError, messageOf } from '../protocol/errors.js';
import { Baseline } from './compare.js';
import { BenchFile } from './measurement.js';

/** NOT_FOUND, INVALID_ARGUMENT. */
export function readBenchFile(path: string): Promise<BenchFile> {
  return readChecked(path, BenchFile, 'results of `czone bench … --json FILE`');
}

/** NOT_FOUND, INVALID_ARGUMENT. */
export function readBaseline(path: string): Promise<Baseline> {
  return readChecked(path, Baseline, 'a baseline of `czone bench compare --store`');
}

async function readChecked<T>(path: string, schema: z.ZodType<T>, what: string): Promise<T> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CzoneError('NOT_FOUND', `${path} can't be read: ${messageOf(cause)}`, { cause });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const first = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const why = first ? `${first.path.join('.')}: ${first.message}` : messageOf(cause);
    throw new CzoneError('INVALID_ARGUMENT', `${path} is not ${what}: ${why}`, { cause });
  }
}
