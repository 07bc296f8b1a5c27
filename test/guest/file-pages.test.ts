// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { type FilePages, SparePages } from '../../src/guest/file-pages.js';
import { MIB } from '../../src/protocol/units.js';

const pages = (mib: number, refaultedMib: number): FilePages => ({
  bytes: mib * MIB,
  mappedBytes: 0,
  refaultedBytes: refaultedMib * MIB,
});

t.test('takes a quarter each time as long as little of it comes back', async (t) => {
  const spare = new SparePages();
  t.equal(spare.spareBytes(pages(32, 26)), 8 * MIB, 'what came back before is not its doing');
  spare.took(pages(32, 26), pages(24, 26));
  t.equal(spare.spareBytes(pages(26, 28)), 6.5 * MIB, 'a quarter of it came back');
  spare.took(pages(26, 28), pages(20, 28));
  t.equal(spare.spareBytes(pages(20, 28)), 5 * MIB);
});

t.test('leaves what came back, until there is a quarter more', async (t) => {
  const spare = new SparePages();
  spare.spareBytes(pages(16, 0));
  spare.took(pages(16, 0), pages(12, 0));
  t.equal(spare.spareBytes(pages(15, 2.5)), 0);
  t.equal(spare.spareBytes(pages(18, 2.5)), 0);
  t.equal(spare.spareBytes(pages(20, 2.5)), 5 * MIB);
});

t.test('a round in which nothing was taken says nothing', async (t) => {
  const spare = new SparePages();
  spare.spareBytes(pages(16, 0));
  spare.took(pages(16, 0), pages(17, 0));
  t.equal(spare.spareBytes(pages(16, 9)), 4 * MIB);
});

t.test('nothing to take where there is nothing', async (t) => {
  t.equal(new SparePages().spareBytes(pages(0, 0)), 0);
});
