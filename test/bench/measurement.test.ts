// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { coordinates, Measurements, otherMachine, valuesOf } from '../../src/bench/measurement.js';
import { benchFile } from './fixture.js';

const measured = new Measurements();
measured.add('czone', 'returnMs', { sizeMib: 512, pages: '4KiB' }, 3);
measured.add('czone', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 1);
measured.add('czone', 'returnMs', { sizeMib: 128, pages: '4KiB' }, 2);
measured.add('limit', 'returnMs', { sizeMib: 128 }, 9);
const list = measured.list();

t.test('values of one place stay together, in their order', async (t) => {
  t.equal(list.length, 3);
  t.same(valuesOf(list, 'czone', 'returnMs', { sizeMib: 128 }), [1, 2]);
  t.same(valuesOf(list, 'czone', 'returnMs'), [3, 1, 2]);
  t.same(valuesOf(list, 'limit', 'returnMs', { pages: '4KiB' }), [], 'it has no such place');
});

t.test('coordinates are sorted as numbers', async (t) => {
  t.same(coordinates(list, 'sizeMib'), [128, 512]);
  t.same(coordinates(list, 'nothing'), []);
});

t.test('results of two machines are not put together', async (t) => {
  const { machine } = benchFile([]);
  t.equal(otherMachine(machine, { ...machine, artifacts: { qemu: 'newer' } }), null);
  const other = { ...machine, processor: 'Another' };
  t.equal(otherMachine(machine, other), 'processor A processor, not Another');
});
