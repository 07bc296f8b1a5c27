// SPDX-License-Identifier: Apache-2.0
// What a run of the demo leaves behind: plain data, from which the checks, the
// report and the page are made. Times are milliseconds since the demo began.
import type {
  ContainerView,
  ExitReason,
  NodeInfo,
  SandboxMemory,
  StartMode,
} from '../host/controller-api.js';

/** How a container of the demo is to end. */
export type Ending = 'stopped' | 'killed' | 'overrun';

export interface PlannedContainer {
  /** Its name in the demo, e.g. `acme/json-2`. */
  readonly name: string;
  readonly tenantId: string;
  readonly functionId: string;
  readonly memoryBytes: number;
  readonly ending: Ending;
  readonly startMode: StartMode;
}

export interface RequestFailure {
  readonly atMs: number;
  readonly request: string;
  readonly reason: string;
}

export interface RecordedContainer {
  readonly plan: PlannedContainer;
  /** As the node told it last; null: it was never placed. */
  view: ContainerView | null;
  requestsRight: number;
  readonly failures: RequestFailure[];
}

export type EventKind =
  | 'node'
  | 'placed'
  | 'requests'
  | 'allocated'
  | 'freed'
  | 'paused'
  | 'resumed'
  | 'reclaimed'
  | 'pages'
  | 'zygote'
  | 'stopped'
  | 'killed'
  | 'overrun'
  | 'failed';

export interface DemoEvent {
  readonly atMs: number;
  readonly kind: EventKind;
  /** The container's name in the demo; null: of the node. */
  readonly container: string | null;
  readonly text: string;
}

/** The host's bytes at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly residentBytes: number;
  readonly sandboxes: readonly SandboxMemory[];
}

/** Memory taken back from a live container that had freed it. */
export interface IdleReclaim {
  readonly container: string;
  readonly paused: boolean;
  /** What the container had allocated and freed before. */
  readonly freedBytes: number;
  readonly residentBeforeBytes: number;
  readonly returnedBytes: number;
  readonly durationUs: number;
}

/** Where the pages of a container lie, in pages of 4 KiB over its processes. */
export interface PagesSeen {
  readonly container: string;
  readonly anonymousInZone: number;
  readonly anonymousOutside: number;
  readonly textInZone: number;
  readonly textOutside: number;
  /** The other container of the same function, and how many page frames of text both map. */
  readonly sharedWith: string | null;
  readonly sharedTextPages: number;
}

/** What is left when all containers have ended, and when the node has. */
export interface Leftovers {
  /** The last look before the node was told to end. */
  readonly memory: Sample | null;
  readonly nodeExitCode: number | null;
  readonly files: readonly string[];
  readonly processes: readonly string[];
}

export interface Recording {
  readonly startedAt: string;
  durationMs: number;
  node: NodeInfo | null;
  readonly containers: RecordedContainer[];
  readonly events: DemoEvent[];
  readonly samples: Sample[];
  readonly reclaims: IdleReclaim[];
  readonly pages: PagesSeen[];
  leftovers: Leftovers | null;
  /** What went wrong that nothing else tells. */
  readonly errors: string[];
}

/** The reasons of an exit that fit an ending. */
export const REASONS_OF_ENDING: Readonly<Record<Ending, readonly ExitReason[]>> = {
  stopped: ['STOPPED'],
  killed: ['EXITED', 'SIGNALED'],
  overrun: ['OOM_KILLED'],
};
