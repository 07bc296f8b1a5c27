// SPDX-License-Identifier: Apache-2.0
// The page's tables: the checks, the containers, how each start went.
import { formatSize } from '../../protocol/units.js';
import type { ContainerReport, DemoReport } from '../report.js';
import { type Markup, markup } from './markup.js';

export function checksTable({ checks }: DemoReport): Markup {
  return markup`<table><tbody>${checks.map(
    ({ name, held, detail }) =>
      markup`<tr><td class="id ${held ? 'good' : 'bad'}">${held ? '✓ held' : '✗ failed'}</td><td>${name}</td><td class="soft">${detail}</td></tr>
`,
  )}</tbody></table>`;
}

function endOf({ exit, state }: ContainerReport): string {
  if (!exit) return state;
  return exit.signal ? `${exit.reason}, signal ${exit.signal}` : `${exit.reason}, ${exit.exitCode}`;
}

function percent({ memoryReturn }: ContainerReport): string {
  if (!memoryReturn || memoryReturn.residentBytes === 0) return '–';
  return `${((100 * memoryReturn.returnedBytes) / memoryReturn.residentBytes).toFixed(1)} %`;
}

const bytes = (value: number | null) => (value === null ? '–' : formatSize(value));
const ms = (us: number) => (us / 1000).toFixed(us < 10_000 ? 1 : 0);

export function containersTable(
  containers: readonly ContainerReport[],
  slots: ReadonlyMap<string, number>,
): Markup {
  const row = (container: ContainerReport) => {
    const asked = container.requestsRight + container.requestFailures.length;
    const { memoryReturn, range } = container;
    return markup`<tr><td class="id"><span class="chip chip-${slots.get(container.name) ?? 1}"></span>${container.name}<br><small class="soft">${container.containerId}</small></td>
<td class="id">${container.vm}</td><td class="n">${container.zoneId}</td>
<td class="id">0x${range.start.toString(16)}<br><small class="soft">+ ${formatSize(range.sizeBytes)}</small></td>
<td class="n">${container.requestsRight} / ${asked}</td><td>${endOf(container)}</td>
<td class="n">${bytes(container.residentBytesBeforeStop)}</td><td class="n">${bytes(container.returnedBytes)}</td>
<td class="n">${percent(container)}</td><td class="n">${memoryReturn ? ms(memoryReturn.unplugUs) : '–'}</td></tr>
`;
  };
  return markup`<table><thead><tr><th>container</th><th>VM</th><th class="n">zone</th><th>range</th>
<th class="n">right answers</th><th>end</th><th class="n">resident before</th><th class="n">returned</th><th class="n">share</th><th class="n">unplug, ms</th></tr></thead>
<tbody>${containers.map(row)}</tbody></table>`;
}

const STARTS = new Map([
  ['COLD', 'by crun, with a new VM'],
  ['WARM_SANDBOX', 'by crun, into a running VM'],
  ['ZYGOTE', 'forked from a zygote'],
]);

export function startsTable(
  containers: readonly ContainerReport[],
  slots: ReadonlyMap<string, number>,
): Markup {
  const names = [
    ...new Set(containers.flatMap(({ startBreakdown }) => startBreakdown.map(({ name }) => name))),
  ];
  const row = (container: ContainerReport) => {
    const stages = new Map(
      container.startBreakdown.map(({ name, durationUs }) => [name, durationUs]),
    );
    const cell = (us: number | undefined) =>
      markup`<td class="n">${us === undefined ? '–' : ms(us)}</td>`;
    return markup`<tr><td class="id"><span class="chip chip-${slots.get(container.name) ?? 1}"></span>${container.name}</td>
<td>${STARTS.get(container.startKind) ?? container.startKind}</td>${names.map((name) => cell(stages.get(name)))}${cell(container.plugGuestUs)}<td class="n">${ms(container.startUs)}</td></tr>
`;
  };
  return markup`<table><thead><tr><th>container</th><th>start</th>${names.map(
    (name) => markup`<th class="n">${name}</th>`,
  )}<th class="n">plug in the guest</th><th class="n">all</th></tr></thead><tbody>${containers.map(row)}</tbody></table>`;
}
