// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { RememberedRequests } from '../../../src/host/requests/remembered.js';

const never = new AbortController().signal;
const make = (nowMs = () => 0, maxEntries = 3) =>
  new RememberedRequests<number>({ maxEntries, keepMs: 1_000, nowMs });

t.test('the same id gets the first result, once made', async (t) => {
  const requests = make();
  let calls = 0;
  const work = async () => ++calls;
  const both = [requests.run('r', { a: 1 }, never, work), requests.run('r', { a: 1 }, never, work)];
  t.same(await Promise.all(both), [1, 1]);
  t.equal(await requests.run('r', { a: 1 }, never, work), 1);
  t.equal(await requests.run('', { a: 1 }, never, work), 2, 'no id, no memory');
});

t.test('the same id with other content is refused', async (t) => {
  const requests = make();
  await requests.run('r', { a: [1] }, never, async () => 1);
  await t.rejects(
    requests.run('r', { a: [2] }, never, async () => 2),
    { code: 'INVALID_ARGUMENT', field: 'request_id' },
  );
});

t.test('a failure is not remembered', async (t) => {
  const requests = make();
  await t.rejects(requests.run('r', {}, never, () => Promise.reject(new Error('no'))));
  t.equal(await requests.run('r', {}, never, async () => 7), 7);
});

t.test('the work ends when all who wait have gone, not before', async (t) => {
  const requests = make();
  const aborted: string[] = [];
  const work = (signal: AbortSignal) =>
    new Promise<number>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        aborted.push('work');
        reject(new Error('aborted'));
      });
    });
  const [one, two] = [new AbortController(), new AbortController()];
  const first = requests.run('r', {}, one.signal, work);
  const second = requests.run('r', {}, two.signal, work);
  one.abort();
  t.same(aborted, []);
  two.abort();
  t.same(aborted, ['work']);
  await t.rejects(first);
  await t.rejects(second);
});

t.test('memory is bounded in number and time', async (t) => {
  let now = 0;
  const requests = make(() => now);
  for (const id of ['a', 'b', 'c', 'd', 'e']) await requests.run(id, {}, never, async () => 1);
  t.equal(requests.size, 3);
  now = 2_000;
  await requests.run('f', {}, never, async () => 1);
  t.equal(requests.size, 1, 'the old ones are forgotten');
});
