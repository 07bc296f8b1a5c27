// SPDX-License-Identifier: Apache-2.0
// The report as a table for the terminal. Pure; plain text, no colours.
import Table from 'cli-table3';
import { formatSize } from '../protocol/units.js';
import type { ContainerReport, DemoReport } from './report.js';

/** No rules: rows alone. */
const CHARS = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '' },
  ...{ right: '', 'right-mid': '', middle: '  ' },
};

const seconds = (us: number) => `${(us / 1e6).toFixed(2)} s`;

/** The stages that took longest, as many as fit. */
function longestStages({ startBreakdown }: ContainerReport): string {
  return [...startBreakdown]
    .sort((a, b) => b.durationUs - a.durationUs)
    .slice(0, 2)
    .map(({ name, durationUs }) => `${name} ${seconds(durationUs)}`)
    .join(', ');
}

function exitText({ exit, state }: ContainerReport): string {
  if (!exit) return state;
  return exit.signal ? `${exit.reason} (signal ${exit.signal})` : exit.reason;
}

function containersTable(report: DemoReport): string {
  const table = new Table({
    head: [
      'container',
      'VM',
      'zone',
      'range',
      'start',
      'longest stages',
      'requests',
      'end',
      'resident',
      'returned',
    ],
    colAligns: [
      'left',
      'left',
      'right',
      'left',
      'right',
      'left',
      'right',
      'left',
      'right',
      'right',
    ],
    chars: CHARS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  for (const container of report.containers) {
    const { range, requestsRight, requestFailures } = container;
    const resident = container.residentBytesBeforeStop;
    const returned = container.returnedBytes;
    table.push([
      container.name,
      container.vm,
      container.zoneId,
      `0x${range.start.toString(16)} + ${formatSize(range.sizeBytes)}`,
      seconds(container.startUs),
      longestStages(container),
      `${requestsRight}/${requestsRight + requestFailures.length}`,
      exitText(container),
      resident === null ? '-' : formatSize(resident),
      returned === null || resident === null
        ? '-'
        : `${formatSize(returned)}${returned === resident ? ' (all)' : ''}`,
    ]);
  }
  return table.toString();
}

export function terminalReport(report: DemoReport): string {
  const checks = report.checks.map(
    ({ name, held, detail }) => `  ${held ? 'ok    ' : 'FAILED'} ${name}: ${detail}`,
  );
  return [
    '',
    containersTable(report),
    '',
    ...checks,
    '',
    `${report.passed ? 'The demo succeeded' : 'The demo FAILED'} in ` +
      `${(report.durationMs / 1000).toFixed(0)} s.`,
  ].join('\n');
}
