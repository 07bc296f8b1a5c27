// SPDX-License-Identifier: Apache-2.0
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { Cgroup } from '../../src/guest/cgroup.js';
import type { FilePages } from '../../src/guest/file-pages.js';
import { IdleReclaim } from '../../src/guest/reclaim.js';
import { MIB } from '../../src/protocol/units.js';

const NO_PAGES: FilePages = { bytes: 0, mappedBytes: 0, refaultedBytes: 0 };

interface Told {
  readonly collections: number;
  /** Bytes. */
  readonly reclaims: readonly number[];
  readonly names: string;
  readonly readsOneByOne: number;
}

/** A reclaim of a daemon with so many bytes of file pages, and what it has done so far. */
async function reclaimOn(dir: string, pages: readonly FilePages[] = []) {
  const namesPath = join(dir, 'names');
  await writeFile(namesPath, '');
  let collections = 0;
  const reclaims: number[] = [];
  const left = [...pages];
  let readsOneByOne = 0;
  const reclaim = new IdleReclaim({
    cgroup: {
      filePages: async () => left.shift() ?? NO_PAGES,
      reclaim: async (bytes) => {
        reclaims.push(bytes);
        return { reclaimedBytes: bytes, swappedBytes: 0 };
      },
    },
    namesPath,
    trimHeap: () => {},
    readNoneAround: () => (readsOneByOne += 1),
    collect: () => (collections += 1),
  });
  const told = async (): Promise<Told> => {
    await delay(50);
    const names = await readFile(namesPath, 'utf8');
    return { collections, reclaims: [...reclaims], names, readsOneByOne };
  };
  return { reclaim, told, namesPath };
}

await t.test('nothing happens between a few calls', async (t) => {
  const { reclaim, told } = await reclaimOn(t.testdir());
  for (let n = 0; n < 31; n++) reclaim.answered();
  t.strictSame(await told(), { collections: 0, reclaims: [], names: '', readsOneByOne: 0 });
});

await t.test('a daemon that is never idle collects, and has the kernel forget', async (t) => {
  const { reclaim, told } = await reclaimOn(t.testdir());
  for (let n = 0; n < 512; n++) reclaim.answered();
  t.strictSame(await told(), { collections: 16, reclaims: [], names: '2', readsOneByOne: 0 });
});

await t.test('an idle one does so, too, and gives file pages back', async (t) => {
  const pages = (bytes: number, refaultedBytes: number) => ({
    bytes,
    mappedBytes: bytes,
    refaultedBytes,
  });
  const { reclaim, told, namesPath } = await reclaimOn(t.testdir(), [
    pages(32 * MIB, 0),
    pages(24 * MIB, 20 * MIB),
    pages(18 * MIB, 20 * MIB),
    pages(22 * MIB, 24 * MIB),
  ]);
  const round = async () => {
    reclaim.answered();
    await delay(3_300);
    return told();
  };
  t.match(await round(), { collections: 1, reclaims: [256 * MIB], names: '2' }, 'all, once');
  await writeFile(namesPath, '');
  t.match(await round(), { collections: 2, reclaims: [256 * MIB, 6 * MIB], names: '2' });
  t.match(
    await round(),
    { collections: 3, reclaims: { length: 2 }, readsOneByOne: 1 },
    'what came back is needed',
  );
});

await t.test('a kernel without these files is no error', async (t) => {
  const reclaim = new IdleReclaim({
    cgroup: new Cgroup('/nonexistent'),
    namesPath: '/nonexistent/names',
    trimHeap: () => {},
    readNoneAround: () => {},
    collect: () => {},
  });
  for (let n = 0; n < 512; n++) reclaim.answered();
  await delay(3_300);
  t.pass('still here');
});
