// SPDX-License-Identifier: Apache-2.0
// Where artifacts lie:
//
//   CACHE/NAME-KEY/             a finished artifact; never changed afterwards
//   CACHE/NAME-KEY.tmp-PID/     one being built (out/ becomes the artifact, work/ goes)
//   CACHE/scratch-0…0.tmp-PID/  what builds of one run leave for each other
//   CACHE/locks/NAME            held with flock while NAME is built or cleaned
//   CACHE/logs/NAME.log         what the last build printed
//
// A build that was cut off leaves nothing but its .tmp directory.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { KEY_DIGITS } from './content-hash.js';

export function defaultCacheDir(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment['CZONE_CACHE_DIR'];
  if (own) return resolve(own);
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'czone');
}

export interface CacheEntry {
  readonly name: string;
  readonly hash: string;
  /** null: finished. */
  readonly builderPid: number | null;
}

const ENTRY = new RegExp(`^([a-z][a-z0-9-]*)-([0-9a-f]{${KEY_DIGITS}})(?:\\.tmp-(\\d{1,9}))?$`);

/** null: a directory of another kind. */
export function parseEntry(directory: string): CacheEntry | null {
  const match = ENTRY.exec(directory);
  if (match === null) return null;
  const [, name = '', hash = '', pid] = match;
  return { name, hash, builderPid: pid === undefined ? null : Number(pid) };
}

export function entryDir(cacheDir: string, name: string, hash: string): string {
  return join(cacheDir, `${name}-${hash}`);
}

export function buildDir(cacheDir: string, name: string, hash: string): string {
  return `${entryDir(cacheDir, name, hash)}.tmp-${process.pid}`;
}

export function lockFile(cacheDir: string, name: string): string {
  return join(cacheDir, 'locks', name);
}

export function logDir(cacheDir: string): string {
  return join(cacheDir, 'logs');
}
