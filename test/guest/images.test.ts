// SPDX-License-Identifier: Apache-2.0
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Images } from '../../src/guest/images.js';

function roots(directory: string) {
  return {
    sys: join(directory, 'sys'),
    proc: join(directory, 'proc'),
    dev: '/dev',
    mounts: join(directory, 'mounts'),
  };
}

function tree(mounts = '') {
  return {
    sys: { block: { vda: { serial: 'root\n' }, vdb: { serial: 'abc\n' }, loop0: {} } },
    proc: { self: { mounts } },
    mounts: {},
  };
}

t.test('mounts the disk of the serial number, once', async (t) => {
  const runs: string[] = [];
  const directory = t.testdir(tree());
  const images = new Images(roots(directory), async (name, args) => {
    runs.push([name, ...args].join(' '));
    return '';
  });
  const target = join(directory, 'mounts/abc');
  t.strictSame(await Promise.all([images.mount('abc'), images.mount('abc')]), [target, target]);
  t.strictSame(runs, [`mount -t erofs -o ro,nodev,nosuid /dev/vdb ${target}`]);
});

t.test('waits for a disk that was just plugged in', async (t) => {
  const directory = t.testdir(tree());
  const images = new Images(roots(directory), async () => '');
  const mounted = images.mount('new');
  await mkdir(join(directory, 'sys/block/vdc'));
  await writeFile(join(directory, 'sys/block/vdc/serial'), 'new\n');
  t.equal(await mounted, join(directory, 'mounts/new'));
});

t.test('finds what an earlier daemon has mounted', async (t) => {
  const directory = t.testdirName;
  t.testdir(tree(`/dev/vdb ${directory}/mounts/abc erofs ro 0 0\n`));
  const images = new Images(roots(directory), () => Promise.reject(new Error('not again')));
  t.equal(await images.mount('abc'), join(directory, 'mounts/abc'));
});

t.test('a mount that failed is tried again', async (t) => {
  let failures = 1;
  const images = new Images(roots(t.testdir(tree())), async () => {
    if (failures-- > 0) throw new Error('bad superblock');
    return '';
  });
  await t.rejects(images.mount('abc'), /bad superblock/);
  t.match(await images.mount('abc'), /mounts\/abc$/);
});
