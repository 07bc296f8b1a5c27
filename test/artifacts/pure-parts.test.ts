// SPDX-License-Identifier: Apache-2.0
// Progress lines, cache keys and names, the room for a build.
import { chmod, mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { defaultCacheDir, parseEntry } from '../../src/artifacts/cache.js';
import { contentHash } from '../../src/artifacts/content-hash.js';
import { checkRoom } from '../../src/artifacts/disk-space.js';
import { CHECKOUT } from '../../src/artifacts/ensure.js';
import { lanesOf } from '../../src/artifacts/ensure-all.js';
import { parseProgress } from '../../src/artifacts/progress.js';
import { allRecipes } from '../../src/artifacts/recipes.js';
import { MIB } from '../../src/protocol/units.js';

t.test('a line of progress is told from other output', async (t) => {
  t.same(parseProgress('progress 3/10 compile a thing'), {
    done: 3,
    total: 10,
    what: 'compile a thing',
  });
  for (const line of [
    'progress',
    'progress 3/10',
    'progress 11/10 too far',
    'progress 0/0 of nothing',
    ' progress 1/2 indented',
    'progress -1/2 negative',
    'making progress 1/2 inside',
  ]) {
    t.equal(parseProgress(line), null, line);
  }
});

t.test('directories of the cache are told apart', async (t) => {
  t.same(parseEntry('kernel-0123456789abcdef'), {
    name: 'kernel',
    hash: '0123456789abcdef',
    builderPid: null,
  });
  t.equal(parseEntry('kernel-debug-0123456789abcdef')?.name, 'kernel-debug');
  t.equal(parseEntry('function-node-json-0123456789abcdef')?.name, 'function-node-json');
  t.equal(parseEntry('qemu-0123456789abcdef.tmp-42')?.builderPid, 42);
  for (const other of ['erofs', 'locks', 'ccache', 'kernel-0123', 'qemu-0123456789abcdef.old']) {
    t.equal(parseEntry(other), null, other);
  }
});

t.test('the cache lies where the environment says', async (t) => {
  t.equal(defaultCacheDir({ CZONE_CACHE_DIR: '/a/b', XDG_CACHE_HOME: '/c' }), '/a/b');
  t.equal(defaultCacheDir({ CZONE_CACHE_DIR: '', XDG_CACHE_HOME: '/c' }), '/c/czone');
  t.match(defaultCacheDir({}), /\/\.cache\/czone$/);
});

t.test('a key changes with what a build reads, and with nothing else', async (t) => {
  const root = t.testdir({ script: 'echo 1', folder: { one: '1', two: '2' } });
  const key = () => contentHash(root, ['script', 'folder'], ['extra']);
  const first = await key();
  t.match(first, /^[0-9a-f]{16}$/);

  t.equal(await contentHash(root, ['folder', 'script', 'folder/one'], ['extra']), first, 'order');
  await utimes(join(root, 'script'), 1, 1);
  await writeFile(join(root, 'folder', '.one.swp'), 'x');
  await mkdir(join(root, 'folder', '__pycache__'));
  await writeFile(join(root, 'folder', '__pycache__', 'x.pyc'), 'x');
  t.equal(await key(), first, 'times, dot files, caches');

  t.not(await contentHash(root, ['script', 'folder'], ['other']), first, 'extra');
  await chmod(join(root, 'script'), 0o755);
  const executable = await key();
  t.not(executable, first, 'execute bit');
  await writeFile(join(root, 'folder', 'one'), '12');
  await writeFile(join(root, 'folder', 'two'), '');
  const moved = await key();
  t.not(moved, executable, 'contents');
  await rename(join(root, 'folder', 'one'), join(root, 'folder', 'three'));
  t.not(await key(), moved, 'names');
  await t.rejects(contentHash(root, ['gone']), { code: 'ENOENT' });
});

t.test('too little room is said before the build, with what to do', async (t) => {
  t.doesNotThrow(() => checkRoom('qemu', '/cache', 600 * MIB, 600 * MIB));
  t.throws(() => checkRoom('qemu', '/cache', 600 * MIB, 600 * MIB - 1), {
    code: 'RESOURCE_EXHAUSTED',
    message: /qemu in \/cache: 600.* needed, .* free; .*CZONE_CACHE_DIR/,
    failure: { artifact: 'qemu', step: null },
  });
});

t.test('no two kernels are compiled at once, whoever needs them', async (t) => {
  const names = ['rootfs', 'bench-guest', 'kernel', 'qemu', 'kernel-debug', 'function-html'];
  t.same(lanesOf(names, await allRecipes(CHECKOUT)), [
    ['bench-guest', 'kernel', 'kernel-debug'],
    ['rootfs', 'qemu', 'function-html'],
  ]);
});
