// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { markup } from '../../src/demo/html/markup.js';
import { markRows } from '../../src/demo/html/memory-chart.js';
import { demoPage } from '../../src/demo/html/page.js';
import { linear, niceStep } from '../../src/demo/html/scale.js';
import { vmSeries } from '../../src/demo/html/vm-series.js';
import { pagesOf } from '../../src/demo/pages.js';
import { demoReport } from '../../src/demo/report.js';
import { terminalReport } from '../../src/demo/terminal-report.js';
import { goodRecording } from './fixture.js';

t.test('what a template is given is escaped', async (t) => {
  t.equal(markup`<b>${'<i> & "x"'}</b>`.text, '<b>&lt;i&gt; &amp; &quot;x&quot;</b>');
  t.equal(markup`<b>${[markup`<i>${1.23456}</i>`]}</b>`.text, '<b><i>1.23</i></b>');
});

t.test('ticks stand at round numbers from 0 to the end', async (t) => {
  t.equal(niceStep(97, 5), 20);
  t.equal(niceStep(4, 10), 0.5);
  const scale = linear(100, 0, 200, 5);
  t.same(scale.ticks, [0, 20, 40, 60, 80, 100]);
  t.equal(scale(50), 100);
});

t.test('marks that would cover each other go into higher rows', async (t) => {
  t.same(
    markRows([0, 5, 10, 40, 41]).map(({ row }) => row),
    [0, 1, 2, 0, 1],
  );
});

t.test('the series of a VM hold its own containers alone', async (t) => {
  const all = vmSeries(demoReport(goodRecording()));
  t.same(
    all.map(({ tenant, containers }) => [tenant, containers.length]),
    [
      ['acme', 6],
      ['globex', 4],
    ],
  );
  const [acme] = all;
  const idle = acme?.containers[2];
  t.same(idle?.seen, { from: 12, to: 33.75 });
  t.equal(idle?.startMib, 132);
  t.equal(acme?.samples.find(({ seconds }) => seconds === 20)?.residentMib[2], 78);
});

t.test('the page needs nothing from elsewhere and shows every container', async (t) => {
  const report = demoReport(goodRecording());
  const page = demoPage(report);
  t.notMatch(page, /(src|href)=|@import|url\(/);
  t.notMatch(page, /NaN|undefined|Infinity/);
  for (const { name, containerId } of report.containers) {
    t.ok(page.includes(name) && page.includes(containerId), name);
  }
  t.match(page, /All 11 checks held/);
});

t.test('the page of a run that never got a node says so', async (t) => {
  const recording = goodRecording();
  const report = demoReport({
    ...recording,
    node: null,
    containers: recording.containers.map((container) => ({ ...container, view: null })),
    samples: [],
    events: [],
    reclaims: [],
    pages: [],
    leftovers: null,
    errors: ['the node did not come up'],
  });
  const page = demoPage(report);
  t.notMatch(page, /NaN|undefined|Infinity/);
  t.match(page, /of 11 checks failed/);
});

t.test('the table for the terminal names every container and every check', async (t) => {
  const report = demoReport(goodRecording());
  const text = terminalReport(report);
  for (const { name } of [...report.containers, ...report.checks]) t.ok(text.includes(name), name);
  t.match(text, /The demo succeeded in 41 s/);
});

t.test('pages of two containers: what lies where, and which frames both map', async (t) => {
  const process = (textFrames: number[]) => ({
    pid: 1,
    name: 'python3',
    zoneId: 1,
    anonymous: { inZone: 10, outside: 1 },
    text: { inZone: 0, outside: textFrames.length },
    file: { inZone: 0, outside: 0 },
    textFrames,
  });
  const seen = pagesOf(
    { container: 'a', processes: [process([1, 2, 3]), process([3, 4])] },
    { container: 'b', processes: [process([2, 3, 9])] },
  );
  t.same(seen, {
    container: 'a',
    anonymousInZone: 20,
    anonymousOutside: 2,
    textInZone: 0,
    textOutside: 5,
    sharedWith: 'b',
    sharedTextPages: 2,
  });
});
