// SPDX-License-Identifier: Apache-2.0
// What happens to the containers of each tenant, in order.
import { setTimeout as delay } from 'node:timers/promises';
import { formatSize, PAGE_BYTES } from '../protocol/units.js';
import type { Acts } from './acts.js';
import { pagesOf } from './pages.js';
import type { Recorder } from './recorder.js';
import type { PlannedContainer } from './recording.js';
import {
  FIRST_STOPPED,
  FORKED,
  HOLDER,
  HOLDER_ALLOCATES_MIB,
  IDLE,
  IDLE_ALLOCATES_MIB,
  KILLED,
  OVERRUN,
  OVERRUN_ALLOCATES_MIB,
  PAUSED,
  PAUSED_ALLOCATES_MIB,
  SCENARIO,
  TWINS,
} from './scenario.js';

/** Containers of one VM that start side by side. Two VMs on two cores: more is slower. */
const STARTS_AT_ONCE = 1;
/** Long enough for the samples to show that freed memory stays on the host. */
const LINGER_MS = 1_000;

export async function placeAll(acts: Acts, plans: readonly PlannedContainer[]): Promise<void> {
  const waiting = [...plans];
  const work = async () => {
    for (let plan = waiting.shift(); plan; plan = waiting.shift()) {
      await acts.place(plan);
      await acts.ask(plan);
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, work));
}

async function tellPages(acts: Acts, recorder: Recorder): Promise<void> {
  const [one, two] = await Promise.all(
    TWINS.map(async (plan) => ({ container: plan.name, processes: await acts.inspect(plan) })),
  );
  if (!one || !two) return;
  for (const [plan, seen] of [
    [TWINS[0], pagesOf(one, two)],
    [TWINS[1], pagesOf(two, one)],
  ] as const) {
    recorder.recording.pages.push(seen);
    const size = (pages: number) => formatSize(pages * PAGE_BYTES);
    recorder.event(
      'pages',
      plan,
      `in its zone ${size(seen.anonymousInZone)} of its own; outside ${size(seen.textOutside)} of ` +
        `program text, ${size(seen.sharedTextPages)} of it shared with ${seen.sharedWith}`,
    );
  }
}

async function askAll(acts: Acts, plans: readonly PlannedContainer[], why: string): Promise<void> {
  for (const plan of plans) await acts.ask(plan, why);
}

/** Idle reclaim, running and paused; an overrun; then all stop. */
export async function acmeStory(acts: Acts, recorder: Recorder): Promise<void> {
  await tellPages(acts, recorder);

  await acts.allocate(IDLE, IDLE_ALLOCATES_MIB);
  await acts.allocate(PAUSED, PAUSED_ALLOCATES_MIB);
  await delay(LINGER_MS);
  await acts.free(IDLE);
  await acts.free(PAUSED);
  await delay(LINGER_MS);
  await acts.reclaim(IDLE, IDLE_ALLOCATES_MIB, false);
  await acts.pause(PAUSED);
  await acts.reclaim(PAUSED, PAUSED_ALLOCATES_MIB, true);
  await acts.resume(PAUSED);
  await askAll(acts, [IDLE, PAUSED], 'after the reclaim');

  await acts.place(FORKED);
  await acts.ask(FORKED);

  await acts.endByRequest(
    OVERRUN,
    `allocate?mib=${OVERRUN_ALLOCATES_MIB}`,
    'overrun',
    `asks for ${OVERRUN_ALLOCATES_MIB} MiB in a zone of ${formatSize(OVERRUN.memoryBytes)}`,
  );
  await askAll(acts, [TWINS[0], IDLE, FORKED], 'after the neighbour’s overrun');
  for (const plan of [IDLE, PAUSED, FORKED, ...TWINS]) await acts.stop(plan);
}

/** A stop while neighbours work, a crash, a stop of one that holds memory. */
export async function globexStory(acts: Acts): Promise<void> {
  await acts.stop(FIRST_STOPPED);
  await acts.allocate(HOLDER, HOLDER_ALLOCATES_MIB);
  await acts.endByRequest(KILLED, 'crash', 'killed', 'is to take a fault');
  const rest = SCENARIO.filter(
    (plan) => plan.tenantId === KILLED.tenantId && plan !== KILLED && plan !== FIRST_STOPPED,
  );
  await askAll(acts, rest, 'after the neighbour’s crash');
  await delay(LINGER_MS);
  for (const plan of rest) await acts.stop(plan);
}
