// SPDX-License-Identifier: Apache-2.0
// Pages of a list that changes between them.
import t from 'tap';
import { page } from '../../src/node-api/paging.js';
import { serve } from './serve.js';

interface Item {
  id: string;
  at: number;
}
const key = (item: Item) => ({ createdAtMs: item.at, id: item.id });
const items = (...ids: number[]): Item[] => ids.map((n) => ({ id: `c-${n}`, at: 1000 + n }));
const first = { pageSize: 2, pageToken: '' };

t.test('what stays is given exactly once, whatever goes or comes', (t) => {
  const one = page(items(1, 2, 3, 4, 5), key, first, []);
  t.strictSame(one.items, items(1, 2));
  // 2, the last that was given, goes; 6 comes.
  const two = page(items(1, 3, 4, 5, 6), key, { pageSize: 2, pageToken: one.nextPageToken }, []);
  t.strictSame(two.items, items(3, 4));
  const three = page(items(5, 6), key, { pageSize: 2, pageToken: two.nextPageToken }, []);
  t.strictSame(three.items, items(5, 6));
  t.equal(three.nextPageToken, '');
  t.end();
});

t.test('items of one millisecond are told apart by id', (t) => {
  const same = ['c', 'a', 'b'].map((id) => ({ id, at: 7 }));
  const one = page(same, key, first, []);
  const two = page(same, key, { pageSize: 2, pageToken: one.nextPageToken }, []);
  t.strictSame(
    [...one.items, ...two.items].map((item) => item.id),
    ['a', 'b', 'c'],
  );
  t.end();
});

t.test('page sizes: 0 is the default, more than the most is the most', (t) => {
  const list = items(...Array.from({ length: 1500 }, (_, n) => n));
  t.equal(page(list, key, { pageSize: 0, pageToken: '' }, []).items.length, 100);
  t.equal(page(list, key, { pageSize: 5000, pageToken: '' }, []).items.length, 1000);
  t.end();
});

t.test('a token that is not for this list is refused', (t) => {
  const { nextPageToken } = page(items(1, 2, 3), key, first, ['acme']);
  for (const pageToken of [nextPageToken, 'x', 'AAAA', 'a'.repeat(10_000)]) {
    t.throws(() => page(items(1, 2, 3), key, { pageSize: 2, pageToken }, ['globex']), {
      code: 'INVALID_ARGUMENT',
      field: 'page_token',
    });
  }
  t.end();
});

t.test('the client collects all pages', async (t) => {
  const { client, controller } = await serve(t);
  for (let n = 0; n < 2_300; n++) controller.add();
  const ids = (await client.containers()).map((view) => view.containerId);
  t.strictSame(
    ids,
    controller.containers().map((view) => view.containerId),
  );
});
