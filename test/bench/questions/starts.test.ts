// SPDX-License-Identifier: Apache-2.0
// B5 and B6: czone beside one VM a container.
import t from 'tap';
import { b5 } from '../../../src/bench/questions/b5.js';
import { b6 } from '../../../src/bench/questions/b6.js';
import { measurement } from '../fixture.js';

const verdicts = (findings: ReturnType<typeof b5.findings>) =>
  new Map(findings.map(({ what, met, ours }) => [what, { met, ours }]));

t.test('B5: the bars are those of a start by zygote', async (t) => {
  const found = verdicts(
    b5.findings([
      measurement('fresh', 'startMs', {}, 10_000),
      measurement('early', 'startMs', {}, 5_000),
      measurement('warm', 'startMs', {}, 400),
      measurement('crun', 'startMs', {}, 4_000),
      measurement('crun', 'stageMs', { stage: 'plug' }, 2),
      measurement('zygote', 'startMs', {}, 180),
    ]),
  );
  t.equal(found.get('a start by zygote beside a VM each, booted')?.met, true);
  t.match(found.get('a start by zygote beside a VM each, cloned when it had answered'), {
    met: false,
    ours: '-55.0 %',
  });
  t.equal(found.get('a start by crun beside a VM each, booted')?.met, null, 'told only');
  t.equal(found.get('the zone’s plug, of a start by crun')?.met, true);
});

const memory = (of: string, at32: number, at64: number) => [
  measurement(of, 'hostMib', { count: 1 }, of === 'crun' || of === 'zygote' ? 300 : at32 / 32),
  measurement(of, 'hostMib', { count: 32 }, at32),
  measurement(of, 'hostMib', { count: 64 }, at64),
];

t.test('B6: the bars hold for 32, and for one more', async (t) => {
  const found = b6.findings([
    ...memory('fresh', 3200, 6400),
    ...memory('early', 2400, 4800),
    ...memory('warm', 800, 1600),
    ...memory('crun', 900, 1500),
    ...memory('zygote', 200, 290),
  ]);
  const of = (words: string) => found.find(({ what }) => what.includes(words));
  t.equal(of('one more')?.ours, '2.8 MiB');
  t.equal(of('one more')?.met, true);
  t.equal(of('32 × czone, by zygote beside a VM each, booted')?.met, true);
  t.match(of('32 × czone, by zygote beside a VM each, cloned when'), {
    met: false,
    ours: '-75.0 %, less from N = 32 on',
  });
  t.match(of('32 × czone, by crun beside a VM each, cloned when'), {
    met: null,
    ours: '+12.5 %, less from N = 64 on',
  });
});
