// SPDX-License-Identifier: Apache-2.0
// The report of a run: what --json writes, and what the table and the page show. Pure.
import type {
  ContainerExit,
  ContainerState,
  MemoryReturn,
  NodeInfo,
  Stage,
} from '../host/controller-api.js';
import { type CheckVerdict, verdicts } from './checks.js';
import type {
  DemoEvent,
  IdleReclaim,
  PagesSeen,
  Recording,
  RequestFailure,
  Sample,
} from './recording.js';

export interface ContainerReport {
  readonly name: string;
  readonly containerId: string;
  /** The tenant. */
  readonly trustDomain: string;
  readonly vm: string;
  readonly functionId: string;
  readonly memoryBytes: number;
  readonly zoneId: number;
  readonly range: { readonly start: number; readonly sizeBytes: number };
  readonly placementReason: string;
  readonly startKind: string;
  readonly startReason: string;
  readonly zygoteId: string | null;
  /** Stages in the order in which they ran, microseconds. */
  readonly startBreakdown: readonly Stage[];
  readonly startUs: number;
  readonly plugGuestUs: number;
  readonly requestsRight: number;
  readonly requestFailures: readonly RequestFailure[];
  readonly state: ContainerState;
  readonly exit: ContainerExit | null;
  /** Allocated blocks of the range on the host before the stop; of these, returned. */
  readonly residentBytesBeforeStop: number | null;
  readonly returnedBytes: number | null;
  readonly memoryReturn: MemoryReturn | null;
}

export interface DemoReport {
  readonly version: 1;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly passed: boolean;
  readonly checks: readonly CheckVerdict[];
  readonly node: NodeInfo | null;
  readonly containers: readonly ContainerReport[];
  readonly reclaims: readonly IdleReclaim[];
  readonly pages: readonly PagesSeen[];
  readonly events: readonly DemoEvent[];
  readonly samples: readonly Sample[];
}

function containerReports({ containers }: Recording): ContainerReport[] {
  return containers.flatMap(({ plan, view, requestsRight, failures }) =>
    view === null
      ? []
      : [
          {
            name: plan.name,
            containerId: view.containerId,
            trustDomain: view.tenantId,
            vm: view.sandboxId,
            functionId: view.functionId,
            memoryBytes: view.memoryBytes,
            zoneId: view.zoneId,
            range: { start: view.rangeStart, sizeBytes: view.rangeBytes },
            placementReason: view.placementReason,
            startKind: view.startKind,
            startReason: view.startReason,
            zygoteId: view.zygoteId,
            startBreakdown: view.stages,
            startUs: view.stages.reduce((sum, { durationUs }) => sum + durationUs, 0),
            plugGuestUs: view.plugGuestUs,
            requestsRight,
            requestFailures: failures,
            state: view.state,
            exit: view.exit,
            residentBytesBeforeStop: view.memoryReturn?.residentBytes ?? null,
            returnedBytes: view.memoryReturn?.returnedBytes ?? null,
            memoryReturn: view.memoryReturn,
          },
        ],
  );
}

export function demoReport(recording: Recording): DemoReport {
  const checks = verdicts(recording);
  return {
    version: 1,
    startedAt: recording.startedAt,
    durationMs: recording.durationMs,
    passed: checks.every(({ held }) => held),
    checks,
    node: recording.node,
    containers: containerReports(recording),
    reclaims: recording.reclaims,
    pages: recording.pages,
    events: recording.events,
    samples: recording.samples,
  };
}
