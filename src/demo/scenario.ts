// SPDX-License-Identifier: Apache-2.0
// Who places what in the demo.
import type { StartMode } from '../host/controller-api.js';
import { MIB } from '../protocol/units.js';
import type { Ending, PlannedContainer } from './recording.js';

function planned(
  tenantId: string,
  name: string,
  functionId: string,
  memoryMib: number,
  ending: Ending = 'stopped',
  startMode: StartMode = 'CRUN',
): PlannedContainer {
  return {
    name: `${tenantId}/${name}`,
    tenantId,
    functionId,
    memoryBytes: memoryMib * MIB,
    ending,
    startMode,
  };
}

/** Freed and taken back from a running container. */
export const IDLE = planned('acme', 'json-1', 'json', 128, 'stopped', 'ZYGOTE');
/** Freed and taken back while it is paused. */
export const PAUSED = planned('acme', 'image-1', 'image', 160);
/** Asks for more than its zone holds. */
export const OVERRUN = planned('acme', 'json-2', 'json', 64, 'overrun', 'ZYGOTE');
/** Two of one function in one VM; the node makes a zygote of it first, and forks both. */
export const TWINS = [
  planned('acme', 'html-1', 'html', 64, 'stopped', 'ZYGOTE'),
  planned('acme', 'html-2', 'html', 64, 'stopped', 'ZYGOTE'),
] as const;
/** Ends by a fault of its own. */
export const KILLED = planned('globex', 'json-1', 'json', 64, 'killed');
/** Stopped while it holds what it allocated. */
export const HOLDER = planned('globex', 'linalg-1', 'linalg', 160);
/** Stopped first, while its neighbours go on. */
export const FIRST_STOPPED = planned('globex', 'compress-1', 'compress', 64);

/** Placed when the others run: forked from the zygote that is there by then. */
export const FORKED = planned('acme', 'html-3', 'html', 64, 'stopped', 'AUTO');

export const SCENARIO: readonly PlannedContainer[] = [
  ...TWINS,
  IDLE,
  PAUSED,
  OVERRUN,
  FIRST_STOPPED,
  planned('globex', 'node-1', 'node-json', 128),
  KILLED,
  HOLDER,
  FORKED,
];

export const IDLE_ALLOCATES_MIB = 64;
export const PAUSED_ALLOCATES_MIB = 80;
export const HOLDER_ALLOCATES_MIB = 48;
/** More than OVERRUN's zone by far. */
export const OVERRUN_ALLOCATES_MIB = 256;
