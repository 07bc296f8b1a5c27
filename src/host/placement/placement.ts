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
  /** Addresses that it needs: what its zone may grow to. */
  readonly zoneBytes: number;
  /** What its zone begins with. */
  readonly firstBytes: number;
  readonly sandboxes: readonly SandboxRoom[];
  readonly maxSandboxes: number;
  readonly bootMemoryBytes: number;
  /** Limits that can still be promised, and what zones can get now (ledger/budget.ts). */
  readonly promisableBytes: number;
  readonly spareBytes: number;
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
  const left = leftOf(question);
  if (zoneBytes > question.promisableBytes || question.firstBytes > question.spareBytes) {
    return refuse(`${left}, a zone of ${size} is needed`);
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
  const { bootMemoryBytes } = question;
  if (
    zoneBytes + bootMemoryBytes > question.promisableBytes ||
    question.firstBytes + bootMemoryBytes > question.spareBytes
  ) {
    return refuse(
      `${why}, and a new one needs ${formatSize(bootMemoryBytes)} to boot and ${size} ` +
        `for the zone, but ${left}`,
    );
  }
  return { kind: 'boot', reason: why };
}

/** With overcommitment more may be promised than is there. */
function leftOf({ promisableBytes, spareBytes, budgetBytes }: PlacementQuestion): string {
  const bytes = Math.min(promisableBytes, spareBytes);
  return `the node's memory budget has ${formatSize(bytes)} of ${formatSize(budgetBytes)} left`;
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
