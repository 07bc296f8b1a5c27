// SPDX-License-Identifier: Apache-2.0
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { IdleReclaim } from '../../src/guest/reclaim.js';

interface Told {
  readonly collections: number;
  readonly reclaim: string;
  readonly names: string;
}

/** A reclaim on files of a test, and what it has done so far. */
async function reclaimOn(dir: string) {
  const [path, namesPath] = [join(dir, 'reclaim'), join(dir, 'names')];
  await writeFile(path, '');
  await writeFile(namesPath, '');
  let collections = 0;
  const reclaim = new IdleReclaim({
    path,
    namesPath,
    trimHeap: () => {},
    collect: () => (collections += 1),
  });
  const told = async (): Promise<Told> => {
    await delay(50);
    return {
      collections,
      reclaim: await readFile(path, 'utf8'),
      names: await readFile(namesPath, 'utf8'),
    };
  };
  return { reclaim, told, namesPath };
}

await t.test('nothing happens between a few calls', async (t) => {
  const { reclaim, told } = await reclaimOn(t.testdir());
  for (let n = 0; n < 31; n++) reclaim.answered();
  t.strictSame(await told(), { collections: 0, reclaim: '', names: '' });
});

await t.test('a daemon that is never idle collects, and has the kernel forget', async (t) => {
  const { reclaim, told } = await reclaimOn(t.testdir());
  for (let n = 0; n < 512; n++) reclaim.answered();
  t.strictSame(await told(), { collections: 16, reclaim: '', names: '2' });
});

await t.test('an idle one does so, too, and gives its start’s pages back once', async (t) => {
  const { reclaim, told, namesPath } = await reclaimOn(t.testdir());
  reclaim.answered();
  await delay(3_300);
  const first = await told();
  t.match(first, { collections: 1, names: '2' });
  t.match(first.reclaim, /^\d+$/);
  await writeFile(namesPath, '');
  reclaim.answered();
  await delay(3_300);
  t.strictSame(await told(), { collections: 2, reclaim: first.reclaim, names: '2' });
});

await t.test('a kernel without these files is no error', async (t) => {
  const reclaim = new IdleReclaim({
    path: '/nonexistent/reclaim',
    namesPath: '/nonexistent/names',
    trimHeap: () => {},
    collect: () => {},
  });
  for (let n = 0; n < 512; n++) reclaim.answered();
  await delay(50);
  t.pass('still here');
});
