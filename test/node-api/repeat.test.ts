// SPDX-License-Identifier: Apache-2.0
// The same request_id again: the first result, once.
import t from 'tap';
import { REMEMBERED_REQUESTS_MAX } from '../../src/node-api/limits.js';
import { Repeats } from '../../src/node-api/repeat.js';

t.test('a repeated request answers with the first result, also while it runs', async (t) => {
  const repeats = new Repeats();
  let runs = 0;
  const run = async () => ++runs;
  const both = [repeats.once('Stop', 'r', ['c'], run), repeats.once('Stop', 'r', ['c'], run)];
  t.strictSame(await Promise.all(both), [1, 1]);
  t.equal(await repeats.once('Stop', 'r', ['c'], run), 1);
  t.equal(await repeats.once('Pause', 'r', ['c'], run), 2, 'another method is another request');
});

t.test('without an id every request runs', async (t) => {
  const repeats = new Repeats();
  let runs = 0;
  await repeats.once('Stop', '', ['c'], async () => ++runs);
  t.equal(await repeats.once('Stop', '', ['c'], async () => ++runs), 2);
});

t.test('an id for something else is refused', async (t) => {
  const repeats = new Repeats();
  await repeats.once('Stop', 'r', ['c-1'], async () => 1);
  await t.rejects(
    repeats.once('Stop', 'r', ['c-2'], async () => t.fail('must not run')),
    { code: 'INVALID_ARGUMENT', field: 'request_id' },
  );
});

t.test('a failure is not remembered', async (t) => {
  const repeats = new Repeats();
  await t.rejects(
    repeats.once('Stop', 'r', [], async () => {
      throw new Error('no');
    }),
  );
  t.equal(await repeats.once('Stop', 'r', [], async () => 'yes'), 'yes');
});

t.test('what is remembered is bounded', async (t) => {
  const repeats = new Repeats();
  let runs = 0;
  for (let n = 0; n <= REMEMBERED_REQUESTS_MAX; n++) {
    await repeats.once('Stop', `r${n}`, [], async () => ++runs);
  }
  await repeats.once('Stop', 'r0', [], async () => ++runs);
  t.equal(runs, REMEMBERED_REQUESTS_MAX + 2, 'the oldest was forgotten');
});
