// SPDX-License-Identifier: Apache-2.0
// B2 and B8: lines that must not rise.
import t from 'tap';
import { b2 } from '../../../src/bench/questions/b2.js';
import { b8 } from '../../../src/bench/questions/b8.js';
import { measurement } from '../fixture.js';

const sweep = (full: number) => [
  measurement('czone', 'returnMs', { usedPercent: 0, returnMib: 512 }, 99, 100, 101),
  measurement('czone', 'returnMs', { usedPercent: 100, returnMib: 512 }, full - 1, full, full + 1),
  measurement('czone', 'returnedShare', { usedPercent: 0, returnMib: 512 }, 1),
  measurement('virtio-mem', 'returnMs', { usedPercent: 0, returnMib: 512 }, 100),
  measurement('virtio-mem', 'returnMs', { usedPercent: 100, returnMib: 512 }, 3000),
];

t.test('B2: a full VM may not take longer than noise', async (t) => {
  t.equal(b2.findings(sweep(104))[0]?.met, true);
  t.equal(b2.findings(sweep(140))[0]?.met, false);
  t.match(b2.guarded(sweep(125)), [{ value: 1.25 }, { value: 24 }]);
});

t.test('B8: each step of a zone’s life has a bar of its own', async (t) => {
  const measured = [
    measurement('czone', 'plugMs', { zones: 1 }, 1),
    measurement('czone', 'plugMs', { zones: 512 }, 1.02),
    measurement('czone', 'unplugMs', { zones: 1 }, 1),
    measurement('czone', 'unplugMs', { zones: 512 }, 2),
  ];
  const met = new Map(b8.findings(measured).map(({ what, met }) => [what.split(': ')[1], met]));
  t.equal(met.get('plug 128 MiB, round trip'), true);
  t.equal(met.get('unplug, bytes back'), false);
  t.equal(met.get('plug, in the guest'), false, 'not measured');
});
