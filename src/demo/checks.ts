// SPDX-License-Identifier: Apache-2.0
// Did the demo show what it promises? Pure: a recording in, one verdict a promise out.
import { formatSize } from '../protocol/units.js';
import type { RecordedContainer, Recording } from './recording.js';
import { REASONS_OF_ENDING } from './recording.js';

export interface CheckVerdict {
  readonly name: string;
  readonly held: boolean;
  /** What was seen; where it did not hold, what is wrong. */
  readonly detail: string;
}

const CONTAINERS_MIN = 8;
const FUNCTIONS_MIN = 3;
const TENANTS_MIN = 2;
/** A runtime keeps a little of what a program frees. */
const RECLAIM_SHARE_MIN = 0.9;

function verdict(name: string, problems: readonly string[], good: string): CheckVerdict {
  const held = problems.length === 0;
  return { name, held, detail: held ? good : problems.join('; ') };
}

function nameOf(container: RecordedContainer): string {
  return container.plan.name;
}

function placement({ containers }: Recording): CheckVerdict {
  const placed = containers.filter(({ view }) => view !== null);
  const functions = new Set(placed.map(({ plan }) => plan.functionId)).size;
  const tenants = new Set(placed.map(({ plan }) => plan.tenantId)).size;
  const problems = containers
    .filter(({ view }) => view === null)
    .map((container) => `${nameOf(container)} was not placed`);
  if (placed.length < CONTAINERS_MIN) problems.push(`only ${placed.length} containers`);
  if (functions < FUNCTIONS_MIN) problems.push(`only ${functions} functions`);
  if (tenants < TENANTS_MIN) problems.push(`only ${tenants} tenants`);
  return verdict(
    'containers placed',
    problems,
    `${placed.length} containers of ${functions} functions for ${tenants} tenants`,
  );
}

function answers({ containers }: Recording): CheckVerdict {
  const problems = containers.flatMap((container) => [
    ...container.failures.map(
      ({ request, reason }) => `${nameOf(container)}: ${request}: ${reason}`,
    ),
    ...(container.requestsRight === 0 ? [`${nameOf(container)} answered nothing`] : []),
  ]);
  const right = containers.reduce((sum, { requestsRight }) => sum + requestsRight, 0);
  return verdict('every answer right', problems, `${right} requests answered right`);
}

function forked({ containers }: Recording): CheckVerdict {
  const views = containers.flatMap(({ view }) => (view === null ? [] : [view]));
  // Of those for which neither a VM nor a zygote had to be made.
  const seconds = (byZygote: boolean) =>
    views
      .filter(({ zygoteId }) => (zygoteId !== null) === byZygote)
      .filter(({ stages }) => stages.every(({ name }) => name !== 'vm' && name !== 'zygote'))
      .map(({ stages }) => stages.reduce((sum, { durationUs }) => sum + durationUs, 0) / 1e6);
  const ours = seconds(true);
  const others = seconds(false);
  const problems =
    ours.length > 0
      ? []
      : [`no container was forked from a zygote (${views.at(-1)?.startReason ?? 'none placed'})`];
  return verdict(
    'a function’s next container is forked from its zygote',
    problems,
    `${ours.length} forked, in ${Math.max(...ours).toFixed(2)} s at most; the others took ` +
      `${Math.min(...others).toFixed(2)} s by crun at least, in a VM that ran`,
  );
}

function trustDomains({ containers }: Recording): CheckVerdict {
  const tenants = new Map<string, Set<string>>();
  for (const { view } of containers) {
    if (!view) continue;
    const known = tenants.get(view.sandboxId) ?? new Set();
    tenants.set(view.sandboxId, known.add(view.tenantId));
  }
  const problems = [...tenants]
    .filter(([, names]) => names.size > 1)
    .map(([sandboxId, names]) => `${sandboxId} holds ${[...names].join(' and ')}`);
  return verdict('no tenants share a VM', problems, `${tenants.size} VMs, each of one tenant`);
}

function endings({ containers }: Recording): CheckVerdict {
  const problems: string[] = [];
  for (const container of containers) {
    const { view, plan } = container;
    if (!view) continue;
    if (view.state !== 'EXITED' || !view.exit) {
      problems.push(`${nameOf(container)} has not ended (${view.state})`);
    } else if (!REASONS_OF_ENDING[plan.ending].includes(view.exit.reason)) {
      problems.push(`${nameOf(container)} was to be ${plan.ending} and is ${view.exit.reason}`);
    }
  }
  const count = (ending: string) =>
    containers.filter(({ plan, view }) => plan.ending === ending && view !== null).length;
  return verdict(
    'each ended as planned',
    problems,
    `${count('stopped')} stopped, ${count('killed')} killed from inside, ` +
      `${count('overrun')} out of memory`,
  );
}

function returnedWhole({ containers }: Recording): CheckVerdict {
  const problems: string[] = [];
  let returned = 0;
  for (const container of containers) {
    if (!container.view) continue;
    const memory = container.view.memoryReturn;
    if (!memory) problems.push(`${nameOf(container)}: its zone has not been returned`);
    else if (memory.residentBytes <= 0) {
      problems.push(`${nameOf(container)}: no bytes were resident, so nothing is shown`);
    } else if (!memory.complete || memory.returnedBytes !== memory.residentBytes) {
      problems.push(
        `${nameOf(container)}: ${memory.returnedBytes} of ${memory.residentBytes} bytes came back`,
      );
    }
    returned += memory?.returnedBytes ?? 0;
  }
  return verdict(
    'every byte of every ended zone came back',
    problems,
    `${formatSize(returned)} of zones returned, 100 % of what was resident`,
  );
}

function idleReclaim({ reclaims }: Recording): CheckVerdict {
  const problems = reclaims
    .filter(({ freedBytes, returnedBytes }) => returnedBytes < freedBytes * RECLAIM_SHARE_MIN)
    .map(
      ({ container, freedBytes, returnedBytes }) =>
        `${container} freed ${formatSize(freedBytes)}, ${formatSize(returnedBytes)} came back`,
    );
  if (!reclaims.some(({ paused }) => paused)) problems.push('none was reclaimed while paused');
  if (!reclaims.some(({ paused }) => !paused)) problems.push('none was reclaimed while running');
  const returned = reclaims.reduce((sum, { returnedBytes }) => sum + returnedBytes, 0);
  return verdict(
    'freed memory of live containers came back',
    problems,
    `${formatSize(returned)} from ${reclaims.length} live containers, running and paused`,
  );
}

function pages({ pages: seen }: Recording): CheckVerdict {
  const problems: string[] = [];
  for (const { container, anonymousInZone, textInZone, textOutside } of seen) {
    if (anonymousInZone === 0) problems.push(`${container} has no page in its zone`);
    if (textInZone > 0) problems.push(`${container}: ${textInZone} pages of text in its zone`);
    if (textOutside === 0) problems.push(`${container}: no page of text was seen`);
  }
  const shared = seen.reduce((most, { sharedTextPages }) => Math.max(most, sharedTextPages), 0);
  if (shared === 0) problems.push('no two containers of one function share pages of text');
  return verdict(
    'text of functions is shared, outside of zones',
    problems,
    `${formatSize(shared * 4096)} of text mapped by two containers of one function`,
  );
}

function nothingStray({ leftovers }: Recording): CheckVerdict {
  const memory = leftovers?.memory;
  if (!memory) return verdict('no byte left in any region', ['the memory was not read'], '');
  const problems: string[] = [];
  for (const { sandboxId, strayBytes, zonesResidentBytes, pluggedBytes } of memory.sandboxes) {
    if (strayBytes !== 0) problems.push(`${sandboxId}: ${strayBytes} bytes outside any zone`);
    if (zonesResidentBytes !== 0)
      problems.push(`${sandboxId}: ${zonesResidentBytes} bytes in zones`);
    if (pluggedBytes !== 0) problems.push(`${sandboxId}: ${pluggedBytes} bytes still plugged`);
  }
  return verdict(
    'no byte left in any region',
    problems,
    `0 bytes in the regions of ${memory.sandboxes.length} VMs after the last container`,
  );
}

function nothingLeft({ leftovers }: Recording): CheckVerdict {
  if (!leftovers) return verdict('the node left nothing behind', ['the node was not ended'], '');
  const problems: string[] = [];
  if (leftovers.nodeExitCode !== 0) {
    problems.push(`the node ended with status ${leftovers.nodeExitCode ?? 'unknown'}`);
  }
  if (leftovers.files.length > 0) problems.push(`files: ${leftovers.files.join(', ')}`);
  if (leftovers.processes.length > 0) problems.push(`processes: ${leftovers.processes.join(', ')}`);
  return verdict('the node left nothing behind', problems, 'no file, no process');
}

function noErrors({ errors }: Recording): CheckVerdict {
  return verdict('nothing else went wrong', errors, 'no other error');
}

export function verdicts(recording: Recording): CheckVerdict[] {
  return [
    placement,
    answers,
    forked,
    trustDomains,
    endings,
    returnedWhole,
    idleReclaim,
    pages,
    nothingStray,
    nothingLeft,
    noErrors,
  ].map((check) => check(recording));
}
