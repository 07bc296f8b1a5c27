// SPDX-License-Identifier: Apache-2.0
// How much zones grow and shrink, and how often they may ask.
import t from 'tap';
import { decideGrowth, nextStepBytes } from '../../../src/host/zones/growth-policy.js';
import { RateBound } from '../../../src/host/zones/rate-bound.js';
import { decideShrink, emptyEndBytes } from '../../../src/host/zones/shrink-policy.js';
import { BLOCK_BYTES, GIB, MIB } from '../../../src/protocol/units.js';
import { Random, SEEDS } from '../random.js';

t.test('a zone gets what it asks for, or a step where that is more', async (t) => {
  const zone = { sizeBytes: 10 * MIB, limitBytes: 200 * MIB, spareBytes: GIB };
  const ask = (wanted: number, step: number, changes = {}) =>
    decideGrowth({ ...zone, wantedBytes: wanted * MIB, stepBytes: step * MIB, ...changes });
  t.same(ask(12, 8), { kind: 'grow', sizeBytes: 18 * MIB });
  t.same(ask(100, 8), { kind: 'grow', sizeBytes: 100 * MIB });
  t.same(ask(100, 8, { limitBytes: 50 * MIB }), { kind: 'grow', sizeBytes: 50 * MIB });
  t.same(ask(100, 8, { spareBytes: 7 * MIB }), { kind: 'grow', sizeBytes: 16 * MIB });
  t.match(ask(12, 8, { spareBytes: MIB }), { kind: 'refuse', reason: /1 MiB left/ });
  t.match(ask(12, 8, { limitBytes: 10 * MIB }), { kind: 'refuse', reason: /all that it may/ });
  t.same(ask(-5, 8), { kind: 'grow', sizeBytes: 18 * MIB }, 'nonsense gets a step');
  t.same(
    [8, 16, 32, 64].map((mib) => nextStepBytes(mib * MIB) / MIB),
    [16, 32, 64, 64],
  );
});

t.test(
  'whatever is asked, a zone stays within its limit and the node within its budget',
  async (t) => {
    for (const seed of SEEDS) {
      const random = new Random(seed);
      for (let step = 0; step < 500; step += 1) {
        const sizeBytes = (1 + random.below(100)) * BLOCK_BYTES;
        const limitBytes = sizeBytes + random.below(100) * BLOCK_BYTES;
        const spareBytes = random.below(64) * MIB;
        const decision = decideGrowth({
          sizeBytes,
          limitBytes,
          spareBytes,
          wantedBytes: random.below(2) * random.below(1000) * 777_777,
          stepBytes: random.below(40) * MIB,
        });
        if (decision.kind === 'refuse') continue;
        const grown = decision.sizeBytes - sizeBytes;
        const where = `seed ${seed} step ${step}`;
        if (grown <= 0 || grown % BLOCK_BYTES !== 0) t.fail(`${where}: grown by ${grown}`);
        if (decision.sizeBytes > limitBytes) t.fail(`${where}: beyond its limit`);
        if (grown > spareBytes) t.fail(`${where}: more than the node has`);
      }
    }
  },
);

t.test('a zone shrinks to what is in use and some room', async (t) => {
  const zone = {
    sizeBytes: 128 * MIB,
    memmapBytes: 2 * MIB,
    firstBytes: 10 * MIB,
    emptyEndBytes: 0,
    mayMovePages: true,
  };
  const shrink = (residentMib: number, changes = {}) =>
    decideShrink({ ...zone, residentBytes: residentMib * MIB, ...changes });
  t.equal(shrink(5), 16 * MIB, 'at least 8 MiB of room');
  t.equal(shrink(60), 78 * MIB, 'a quarter of what is in use');
  t.equal(shrink(0), 10 * MIB, 'no smaller than a new one');
  t.equal(shrink(99), null, 'what is left would not be worth it');
  const still = { mayMovePages: false };
  t.equal(shrink(5, still), null, 'its end is in use');
  t.equal(shrink(5, { ...still, emptyEndBytes: 60 * MIB }), 68 * MIB);
  t.equal(shrink(60, { ...still, emptyEndBytes: 60 * MIB }), 78 * MIB);
});

t.test('the empty end of a zone is found by counting', async (t) => {
  for (const seed of SEEDS) {
    const random = new Random(seed);
    const blocks = 1 + random.below(60);
    const used = new Set(Array.from({ length: random.below(8) }, () => random.below(blocks)));
    const last = used.size === 0 ? -1 : Math.max(...used);
    const empty = emptyEndBytes(
      blocks * BLOCK_BYTES,
      (from) => [...used].filter((block) => block * BLOCK_BYTES >= from).length * 4096,
    );
    t.equal(empty, (blocks - 1 - last) * BLOCK_BYTES, `seed ${seed}`);
  }
});

t.test('a bound lets a burst through, then so many a second', async (t) => {
  const bound = new RateBound({ burst: 3, perSecond: 10 }, 1000);
  t.same(
    [1, 2, 3].map(() => bound.take(1000)),
    [0, 0, 0],
  );
  t.equal(bound.take(1000), 100);
  t.equal(bound.take(1000), 200, 'each waits behind the ones before it');
  t.equal(bound.take(1300), 0);
  t.equal(bound.take(100_000), 0);
  t.same(
    [1, 2, 3].map(() => bound.take(100_000)),
    [0, 0, 100],
    'unused time is not saved up',
  );
});
