// SPDX-License-Identifier: Apache-2.0
// Memory is short on the node: zygotes that nobody shares go.
import type { Zygotes } from './zygotes.js';

/** False: there is none that would give its zone back at once. */
export async function dropOneZygote(
  sandboxes: Iterable<{ readonly zygotes: Zygotes }>,
): Promise<boolean> {
  const all = [...sandboxes].flatMap(({ zygotes }) =>
    zygotes.droppable().map(({ zygote, lastUsedMs }) => ({ zygotes, zygote, lastUsedMs })),
  );
  all.sort((left, right) => left.lastUsedMs - right.lastUsedMs);
  const [oldest] = all;
  if (oldest === undefined) return false;
  await oldest.zygotes.drop(oldest.zygote, 'the node needs its memory');
  return true;
}
