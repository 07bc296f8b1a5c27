// SPDX-License-Identifier: Apache-2.0
// B2 and B8: lines that must not rise.
import t from 'tap';
import { b2 } from '../../../src/bench/questions/b2.js';
import { b8 } from '../../../src/bench/questions/b8.js';
import { measurement } from '../fixture.js';

const sweep = (full: number) => [
  measurement('czone', 'returnMs', { usedPercent: 0, returnMib: 512 }, 99, 100, 101),
  measurement('czone', 'returnMs', { usedPercent: 100, returnMib: 512 }, full - 1, full, full + 1),
  measurement('czone', 'totalMs', { usedPercent: 0, returnMib: 512 }, 199, 200, 201),
  measurement('czone', 'totalMs', { usedPercent: 100, returnMib: 512 }, full + 100),
  measurement('czone', 'returnedShare', { usedPercent: 0, returnMib: 512 }, 1),
  measurement('virtio-mem', 'returnMs', { usedPercent: 0, returnMib: 512 }, 100),
  measurement('virtio-mem', 'returnMs', { usedPercent: 100, returnMib: 512 }, 3000),
  measurement('virtio-mem', 'totalMs', { usedPercent: 0, returnMib: 512 }, 200),
  measurement('virtio-mem', 'totalMs', { usedPercent: 100, returnMib: 512 }, 3250),
];

t.test('B2: a full VM may not take longer than noise', async (t) => {
  // From the request, and from the kill.
  t.match(b2.findings(sweep(104)), [{ met: true }, { met: true }, { met: true }]);
  t.match(b2.findings(sweep(115)), [{ met: false }, { met: true }, { met: true }]);
  t.match(b2.findings(sweep(140)), [{ met: false }, { met: false }, { met: true }]);
  t.match(b2.guarded(sweep(150)), [{ value: 1.25 }, { value: 13 }]);
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
