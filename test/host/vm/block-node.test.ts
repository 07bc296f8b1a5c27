// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { readsDirectly } from '../../../src/host/vm/block-node.js';

t.test('says of a file whether it can be read past the page cache, as dd finds', async (t) => {
  const path = join(t.testdir({ image: 'x'.repeat(4096) }), 'image');
  const { status } = spawnSync('dd', [`if=${path}`, 'of=/dev/null', 'iflag=direct', 'bs=4096']);
  t.equal(await readsDirectly(path), status === 0);
});

t.test('of /proc, which never does', async (t) => {
  t.equal(await readsDirectly('/proc/self/status'), false);
});

t.test('a missing file is an error, not an answer', async (t) => {
  await t.rejects(readsDirectly(join(t.testdir(), 'none')), { code: 'ENOENT' });
});
