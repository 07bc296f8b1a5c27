// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { NetworkPool } from '../../src/guest/network-pool.js';

function recorded(size: number, fail = () => false) {
  const made: string[][] = [];
  const complaints: string[] = [];
  const network = {
    prepare: async (names: readonly string[]) => {
      if (fail()) throw new Error('no bridge');
      made.push([...names]);
    },
  };
  const pool = new NetworkPool(network, size, (message) => complaints.push(message), 1);
  return { pool, made, complaints };
}

const settled = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
};

t.test('nothing is made before somebody asks; then as many as are to lie ready', async (t) => {
  const { pool, made } = recorded(3);
  await settled();
  t.strictSame(made, []);
  pool.fill();
  pool.fill();
  await settled();
  t.equal(made.flat().length, 3);
});

t.test('one that is taken is nobody else’s, and is made up for', async (t) => {
  const { pool, made } = recorded(2);
  pool.fill();
  await settled();
  const taken = [await pool.take(), await pool.take()];
  await settled();
  t.equal(new Set([...taken, ...made.flat()]).size, made.flat().length);
  t.equal(made.flat().length, 4);
});

t.test('nothing is made while they are taken one after another', async (t) => {
  const { pool, made } = recorded(3);
  pool.fill();
  await settled();
  await pool.take();
  await pool.take();
  t.equal(made.flat().length, 3, 'not yet');
  await settled();
  t.equal(made.flat().length, 5);
});

t.test('who comes when none is left gets one that is made for it', async (t) => {
  const { pool, made } = recorded(1);
  const taken = await pool.take();
  t.ok(made.flat().includes(taken));
});

t.test('a failure is told, and who asks next tries again', async (t) => {
  let broken = true;
  const { pool, made, complaints } = recorded(1, () => broken);
  pool.fill();
  await settled();
  t.match(complaints, [/no bridge/]);
  await t.rejects(pool.take(), /no bridge/);
  broken = false;
  t.ok(await pool.take());
  t.ok(made.length > 0);
});
