// SPDX-License-Identifier: Apache-2.0
// Which VM takes a container, or whether to boot one. Pure: state in, decision out.
//
// The trust rule: only VMs of the same tenant are ever looked at. Among these the
// one with the smallest free extent that is large enough wins (best fit), so that
// large extents stay whole.
import type { SandboxId, TenantId } from '../../protocol/ids.js';
import { formatSize } from '../../protocol/units.js';
import type { SandboxState } from '../controller-api.js';

export interface SandboxRoom {
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly state: SandboxState;
  readonly largestFreeBytes: number;
  readonly containerCount: number;
  readonly maxContainers: number;
  /** The image is attached, or a slot for it is free. */
  readonly imageFits: boolean;
}

export interface PlacementQuestion {
  readonly tenantId: TenantId;
  readonly zoneBytes: number;
  readonly sandboxes: readonly SandboxRoom[];
  readonly maxSandboxes: number;
  readonly bootMemoryBytes: number;
  readonly freeBudgetBytes: number;
  readonly budgetBytes: number;
}

export type PlacementDecision =
  | { readonly kind: 'use'; readonly sandboxId: SandboxId; readonly reason: string }
  | { readonly kind: 'boot'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly reason: string };

export function decidePlacement(question: PlacementQuestion): PlacementDecision {
  const { tenantId, zoneBytes } = question;
  const size = formatSize(zoneBytes);
  const own = question.sandboxes.filter((sandbox) => sandbox.tenantId === tenantId);
  const live = own.filter(isLive);
  if (zoneBytes > question.freeBudgetBytes) {
    return refuse(
      `the node's memory budget has ${formatSize(question.freeBudgetBytes)} of ` +
        `${formatSize(question.budgetBytes)} left, a zone of ${size} is needed`,
    );
  }
  let best: SandboxRoom | null = null;
  for (const sandbox of live) {
    if (sandbox.largestFreeBytes < zoneBytes || !sandbox.imageFits) continue;
    if (sandbox.containerCount >= sandbox.maxContainers) continue;
    if (best === null || sandbox.largestFreeBytes < best.largestFreeBytes) best = sandbox;
  }
  if (best !== null) {
    const verb = VERBS[best.state] ?? 'belongs to';
    return {
      kind: 'use',
      sandboxId: best.sandboxId,
      reason: `${best.sandboxId} ${verb} tenant ${tenantId} and has ${formatSize(best.largestFreeBytes)} in one piece`,
    };
  }
  const why = own.length === 0 ? `tenant ${tenantId} has no VM` : noRoom(own, zoneBytes);
  if (question.sandboxes.length >= question.maxSandboxes) {
    return refuse(
      `${why}, and the node runs ${question.sandboxes.length} of at most ` +
        `${question.maxSandboxes} VMs (one tenant's VM is never given to another)`,
    );
  }
  if (zoneBytes + question.bootMemoryBytes > question.freeBudgetBytes) {
    return refuse(
      `${why}, and a new one needs ${formatSize(question.bootMemoryBytes)} to boot and ${size} ` +
        `for the zone, but the node's memory budget has ${formatSize(question.freeBudgetBytes)} ` +
        `of ${formatSize(question.budgetBytes)} left`,
    );
  }
  return { kind: 'boot', reason: why };
}

const VERBS: Readonly<Partial<Record<SandboxState, string>>> = {
  BOOTING: 'is booting for',
  RECOVERING: 'is being brought back for',
};

/** The others wait for a VM that boots or is being brought back. */
function isLive({ state }: SandboxRoom): boolean {
  return state === 'READY' || state === 'BOOTING' || state === 'RECOVERING';
}

function noRoom(own: readonly SandboxRoom[], zoneBytes: number): string {
  const texts = own.map((sandbox) => {
    if (!isLive(sandbox)) {
      return `${sandbox.sandboxId} is ${sandbox.state}`;
    }
    if (sandbox.largestFreeBytes < zoneBytes) {
      return `${sandbox.sandboxId} has no ${formatSize(zoneBytes)} in one piece`;
    }
    if (!sandbox.imageFits) return `${sandbox.sandboxId} has no slot left for the image`;
    return `${sandbox.sandboxId} has ${sandbox.containerCount} containers already`;
  });
  return texts.join(', ');
}

function refuse(reason: string): PlacementDecision {
  return { kind: 'refuse', reason };
}
