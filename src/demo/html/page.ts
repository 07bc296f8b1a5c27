// SPDX-License-Identifier: Apache-2.0
// The report as one HTML page that needs nothing else. Pure.
import { formatSize } from '../../protocol/units.js';
import type { DemoReport } from '../report.js';
import { type Markup, markup, Markup as Raw } from './markup.js';
import { memoryChart } from './memory-chart.js';
import { STYLE } from './style.js';
import { checksTable, containersTable, startsTable } from './tables.js';
import { type VmSeries, vmSeries } from './vm-series.js';
import { zoneMap } from './zone-map.js';

function tiles(report: DemoReport): Markup {
  const { containers, samples, reclaims } = report;
  const requests = containers.reduce((sum, { requestsRight }) => sum + requestsRight, 0);
  const returned = containers.reduce((sum, { returnedBytes }) => sum + (returnedBytes ?? 0), 0);
  const idle = reclaims.reduce((sum, { returnedBytes }) => sum + returnedBytes, 0);
  const peak = samples.reduce((most, { residentBytes }) => Math.max(most, residentBytes), 0);
  const vms = new Set(containers.map(({ vm }) => vm)).size;
  const tile = (value: string, what: string) =>
    markup`<div class="tile"><b>${value}</b><span>${what}</span></div>`;
  return markup`<div class="tiles">${[
    tile(`${containers.length} in ${vms}`, 'containers in VMs'),
    tile(String(requests), 'requests answered right'),
    tile(formatSize(peak), 'on the host at the peak'),
    tile(formatSize(idle), 'taken back from live containers'),
    tile(formatSize(returned), 'returned by ended containers'),
    tile(`${(report.durationMs / 1000).toFixed(0)} s`, 'from start to end'),
  ]}</div>`;
}

function memoryCard(series: VmSeries, endSeconds: number, topMib: number): Markup {
  return markup`<div class="card"><h3>${series.vm} <span class="soft">· tenant ${series.tenant}</span></h3>
<div class="legend"><span><span class="chip chip-boot"></span>boot memory (kernel, daemon, page cache)</span>${series.containers.map(
    ({ name, slot }) => markup`<span><span class="chip chip-${slot}"></span>${name}</span>`,
  )}</div>
${memoryChart(series, endSeconds, topMib)}
<ol class="marks">${series.events.map(
    (event, at) =>
      markup`<li><b>${at + 1}</b> <span class="soft">${event.seconds.toFixed(1)} s</span> ${event.container ?? ''}: ${event.text}</li>
`,
  )}</ol></div>
`;
}

function mapCard(series: VmSeries, endSeconds: number): Markup {
  return markup`<div class="card"><h3>${series.vm} <span class="soft">· tenant ${series.tenant}</span></h3>
${zoneMap(series, endSeconds)}</div>
`;
}

function topOf(all: readonly VmSeries[]): number {
  const totals = all.flatMap(({ samples }) =>
    samples.map(({ bootMib, residentMib }) => residentMib.reduce((a, b) => a + b, bootMib)),
  );
  return Math.max(16, ...totals) * 1.05;
}

function subtitle({ node, startedAt }: DemoReport): string {
  if (!node) return startedAt;
  const accelerator = node.accelerator === 'kvm' ? 'KVM' : 'software emulation (TCG)';
  return `${startedAt.replace('T', ' ').slice(0, 16)} UTC · ${accelerator} · QEMU ${node.vmmVersion} · kernel ${node.guestKernel}`;
}

export function demoPage(report: DemoReport): string {
  const all = vmSeries(report);
  const endSeconds = Math.max(1, ...report.samples.map(({ atMs }) => atMs / 1000));
  const topMib = topOf(all);
  const slots = new Map(
    all.flatMap(({ containers }) => containers.map(({ name, slot }) => [name, slot] as const)),
  );
  const failed = report.checks.filter(({ held }) => !held).length;
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>czone demo</title><style>${new Raw(STYLE)}</style></head>
<body><main>
<h1>czone demo</h1>
<p class="soft">${subtitle(report)}</p>
<p class="verdict ${failed === 0 ? 'good' : 'bad'}">${failed === 0 ? `All ${report.checks.length} checks held.` : `${failed} of ${report.checks.length} checks failed.`}</p>
${tiles(report)}
<h2>Memory on the host</h2>
<p class="soft">Allocated blocks of each VM’s memory, sampled four times a second. Numbers mark what happened; colours are each VM’s own.</p>
${all.map((series) => memoryCard(series, endSeconds, topMib))}
<h2>Zones</h2>
<p class="soft">Each band is one container’s zone at its guest-physical addresses, from plug to unplug. The strong part is what the host has allocated of it.</p>
${all.map((series) => mapCard(series, endSeconds))}
<h2>Containers</h2>
<div class="card">${containersTable(report.containers, slots)}</div>
<h2>Starts</h2>
<p class="soft">Milliseconds by stage. Two of a VM’s containers start side by side, so stages compete for the processors.</p>
<div class="card">${startsTable(report.containers, slots)}</div>
<h2>Checks</h2>
<div class="card">${checksTable(report)}</div>
</main></body></html>
`.text;
}
