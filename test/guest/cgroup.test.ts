// SPDX-License-Identifier: Apache-2.0
// On a tree of plain files: what the kernel would make of the writes is tested in VMs.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Cgroup, Cgroups } from '../../src/guest/cgroup.js';
import type { ContainerId } from '../../src/protocol/ids.js';

async function fixture(directory: string, files: Record<string, string>): Promise<Cgroup> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return new Cgroup(directory);
}

t.test('reads what the kernel tells', async (t) => {
  const cgroup = await fixture(t.testdir(), {
    'memory.events': 'low 0\nhigh 0\nmax 5\noom 2\noom_kill 3\noom_group_kill 1\n',
    'memory.current': '1048576\n',
    'cgroup.procs': '12\n340\n',
    'cgroup.events': 'populated 1\nfrozen 1\n',
  });
  t.equal(await cgroup.oomKills(), 3);
  t.equal(await cgroup.memoryCurrentBytes(), 1048576);
  t.strictSame(await cgroup.pids(), [12, 340]);
  t.equal(await cgroup.frozen(), true);
});

t.test('reads how many pages of files it has', async (t) => {
  const cgroup = await fixture(t.testdir(), {
    'memory.stat':
      'anon 9\nshmem 4096\nfile 27045888\nfile_mapped 18186240\nworkingset_refault_anon 5\nworkingset_refault_file 3\n',
  });
  t.strictSame(await cgroup.filePages(), {
    bytes: 27041792,
    mappedBytes: 18186240,
    refaultedBytes: 12288,
  });
  const none = { bytes: 0, mappedBytes: 0, refaultedBytes: 0 };
  t.strictSame(await new Cgroup('/nonexistent').filePages(), none);
});

t.test('tells what a reclaim took, and asks for no more than it was told to', async (t) => {
  const directory = t.testdir();
  const cgroup = await fixture(directory, {
    'memory.current': '1048576\n',
    'memory.swap.current': '4096\n',
    'memory.reclaim': '',
  });
  t.strictSame(await cgroup.reclaim(65536), { reclaimedBytes: 0, swappedBytes: 0 });
  t.equal(await readFile(join(directory, 'memory.reclaim'), 'utf8'), '65536');
  const gone = new Cgroup(join(directory, 'gone'));
  await t.rejects(gone.reclaim(65536), { code: 'ENOENT' });
});

t.test('one that is gone has killed nobody, is empty and can be removed', async (t) => {
  const cgroup = new Cgroup(join(t.testdir(), 'gone'));
  t.equal(await cgroup.oomKills(), 0);
  t.equal(await cgroup.memoryCurrentBytes(), 0);
  await cgroup.kill();
  await cgroup.thaw();
  await cgroup.whenEmpty();
  await cgroup.remove();
});

t.test('waits until the last process has gone', async (t) => {
  const directory = t.testdir();
  const cgroup = await fixture(directory, { 'cgroup.events': 'populated 1\nfrozen 0\n' });
  let empty = false;
  const waited = cgroup.whenEmpty().then(() => {
    empty = true;
  });
  await new Promise(setImmediate);
  t.equal(empty, false);
  await writeFile(join(directory, 'cgroup.events'), 'populated 0\nfrozen 0\n');
  await waited;
  t.equal(empty, true);
});

t.test('freezing answers when the kernel says so', async (t) => {
  const directory = t.testdir();
  const cgroup = await fixture(directory, {
    'cgroup.events': 'populated 1\nfrozen 1\n',
    'cgroup.freeze': '0\n',
  });
  await cgroup.freeze();
  t.match(await readFile(join(directory, 'cgroup.freeze'), 'utf8'), /^1/);
});

t.test('lists containers only', async (t) => {
  const root = t.testdir({ 'c-0123456789ab': {}, 'init.scope': {}, 'c-1': {} });
  t.strictSame(await new Cgroups(root).list(), ['c-0123456789ab' as ContainerId]);
  t.strictSame(await new Cgroups(join(root, 'gone')).list(), []);
});
