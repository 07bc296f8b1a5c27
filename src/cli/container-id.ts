// SPDX-License-Identifier: Apache-2.0
// Ids may be shortened to what only one of them begins with.
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { parseContainerId, parseSandboxId } from '../protocol/ids.js';

/** Whole ids as they are; the node is asked only where one is short. */
export async function fullContainerIds(
  client: NodeClient,
  given: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (given.every((text) => parseContainerId(text) !== null)) return [...given];
  const views = await client.containers({ includeExited: true }, { signal });
  const living = views.filter((view) => view.state !== 'EXITED').map((view) => view.containerId);
  const all = views.map((view) => view.containerId);
  return given.map((text) => {
    if (parseContainerId(text) !== null) return text;
    // One that lives is meant before one that has ended.
    const among = living.some((id) => begins(id, text, 'c-')) ? living : all;
    return onlyOne('container', text, 'c-', among);
  });
}

export async function fullSandboxIds(
  client: NodeClient,
  given: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (given.every((text) => parseSandboxId(text) !== null)) return [...given];
  const all = (await client.sandboxes({ signal })).map((view) => view.sandboxId);
  return given.map((text) =>
    parseSandboxId(text) !== null ? text : onlyOne('sandbox', text, 'vm-', all),
  );
}

/** The prefix of all ids may be left out. */
function begins(id: string, text: string, prefix: string): boolean {
  return id.startsWith(text.startsWith(prefix) ? text : prefix + text);
}

function onlyOne(what: string, text: string, prefix: string, ids: readonly string[]): string {
  if (!/^[a-z]*-?[0-9a-f]*$/.test(text) || text === '') {
    throw new CzoneError('INVALID_ARGUMENT', `${JSON.stringify(text)} is no ${what} id`, {
      field: `${what}_id`,
    });
  }
  const fitting = ids.filter((id) => begins(id, text, prefix));
  if (fitting.length === 1 && fitting[0] !== undefined) return fitting[0];
  if (fitting.length === 0) {
    throw new CzoneError('NOT_FOUND', `no ${what} on this node begins with ${text}`);
  }
  throw new CzoneError(
    'INVALID_ARGUMENT',
    `${text} is the beginning of ${fitting.length} ${what} ids (${fitting.slice(0, 3).join(', ')}…); write more of it`,
    { field: `${what}_id` },
  );
}
