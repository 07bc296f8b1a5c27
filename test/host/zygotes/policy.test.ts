// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import {
  decideStart,
  type StartQuestion,
  zygotesToDrop,
} from '../../../src/host/zygotes/policy.js';

const ask = (changes: Partial<StartQuestion> = {}) =>
  decideStart({
    mode: 'AUTO',
    enabled: true,
    support: { kind: 'command', command: ['zygote'] },
    ownCommand: false,
    standing: { kind: 'none' },
    ...changes,
  });

t.test('the first container is made by crun, and a zygote after it', async (t) => {
  t.match(ask(), { kind: 'crun', makeOne: true, reason: /no zygote/ });
});

t.test('nobody waits for a zygote that is being made, and none is made beside it', async (t) => {
  t.match(ask({ standing: { kind: 'starting' } }), { kind: 'crun', makeOne: false });
});

t.test('a zygote that is ready is used', async (t) => {
  t.match(ask({ standing: { kind: 'ready' } }), { kind: 'zygote' });
});

t.test('one that failed is not made again, but for who asks for it by name', async (t) => {
  const standing = { kind: 'failed', reason: 'threads run' } as const;
  t.match(ask({ standing }), { kind: 'crun', makeOne: false, reason: 'threads run' });
  t.match(ask({ standing, mode: 'ZYGOTE' }), { kind: 'zygote-first' });
});

t.test('who asks for a zygote waits for it; who asks for crun gets that', async (t) => {
  t.match(ask({ mode: 'ZYGOTE' }), { kind: 'zygote-first' });
  t.match(ask({ mode: 'ZYGOTE', standing: { kind: 'starting' } }), { kind: 'zygote-first' });
  t.match(ask({ mode: 'CRUN', standing: { kind: 'ready' } }), { kind: 'crun', makeOne: false });
});

for (const [what, changes, reason] of [
  ['the node makes none', { enabled: false }, /node makes no zygotes/],
  ['the request has a command of its own', { ownCommand: true }, /command of its own/],
  ['the image has none', { support: { kind: 'none', reason: 'threads' } }, /^threads$/],
] as const) {
  t.test(`crun, with the reason, where ${what}; an error for who wants no other`, async (t) => {
    const standing = { kind: 'ready' } as const;
    t.match(ask({ ...changes, standing }), { kind: 'crun', makeOne: false, reason });
    t.match(ask({ ...changes, standing, mode: 'ZYGOTE' }), { kind: 'refuse', reason });
  });
}

t.test('under pressure only those go that nobody shares, the longest unused first', async (t) => {
  t.strictSame(
    zygotesToDrop([
      { id: 'young', children: 0, lastUsedMs: 30 },
      { id: 'shared', children: 1, lastUsedMs: 1 },
      { id: 'old', children: 0, lastUsedMs: 10 },
    ]),
    ['old', 'young'],
  );
});
