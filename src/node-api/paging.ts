// SPDX-License-Identifier: Apache-2.0
// Pages of a list that changes meanwhile: a token names the last item given, so
// what stays is given exactly once, whatever comes or goes between two pages.
import { createHash } from 'node:crypto';
import { CzoneError } from '../protocol/errors.js';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PAGE_TOKEN_LENGTH_MAX } from './limits.js';

/** Items are listed by age, then by id. */
export interface PageKey {
  readonly createdAtMs: number;
  readonly id: string;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty: no more. */
  readonly nextPageToken: string;
}

/**
 * `filters` are the request's other fields: a token holds for the list that it
 * was given for, so one with other filters is refused.
 */
export function page<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => PageKey,
  request: { readonly pageSize: number; readonly pageToken: string },
  filters: readonly string[],
): Page<Item> {
  const size = Math.min(request.pageSize || PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
  const list = hash(filters);
  const after = request.pageToken === '' ? null : parseToken(request.pageToken, list);
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || compare(key, after) > 0)
    .sort((a, b) => compare(a.key, b.key));
  const given = rest.slice(0, size);
  const last = given.at(-1);
  return {
    items: given.map(({ item }) => item),
    nextPageToken: last !== undefined && rest.length > given.length ? token(last.key, list) : '',
  };
}

function compare(a: PageKey, b: PageKey): number {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs - b.createdAtMs;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function token(key: PageKey, list: string): string {
  return Buffer.from(`1/${list}/${key.createdAtMs}/${key.id}`).toString('base64url');
}

function parseToken(text: string, list: string): PageKey {
  const wrong = (why: string) =>
    new CzoneError('INVALID_ARGUMENT', `page_token ${why}; begin again without one`, {
      field: 'page_token',
    });
  if (text.length > PAGE_TOKEN_LENGTH_MAX) throw wrong('is too long');
  const plain = Buffer.from(text, 'base64url').toString('utf8');
  const match = /^1\/([0-9a-f]{16})\/(\d{1,16})\/([a-z0-9-]{1,64})$/.exec(plain);
  if (!match) throw wrong('is not one that this node gave');
  const [, of, createdAtMs, id] = match as unknown as [string, string, string, string];
  if (of !== list) throw wrong('belongs to another list');
  return { createdAtMs: Number(createdAtMs), id };
}

function hash(filters: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(filters)).digest('hex').slice(0, 16);
}
