// SPDX-License-Identifier: Apache-2.0
// Carries out one placement: image, decision, zone, start. Decision and reservation
// happen in one go, without waiting in between, so that two requests never take the
// same room and two for a new tenant boot one VM.
import { randomBytes } from 'node:crypto';
import { CzoneError } from '../../protocol/errors.js';
import type { SandboxId } from '../../protocol/ids.js';
import { formatSize } from '../../protocol/units.js';
import { Container } from '../containers/container.js';
import { StageClock } from '../containers/stage-clock.js';
import type { ContainerView, PlaceRequest } from '../controller-api.js';
import type { ImageStore, PreparedImage } from '../images/image-store.js';
import { type Room, roomOf } from '../ledger/budget.js';
import { firstZoneBytes, largestMemoryBytes, zoneBytesFor } from '../ledger/zone-size.js';
import { LIMITS } from '../limits.js';
import type { NodeArtifacts } from '../node-artifacts.js';
import type { SandboxEnvironment } from '../sandbox/environment.js';
import { Sandbox } from '../sandbox/sandbox.js';
import { dropOneZygote } from '../zygotes/make-room.js';
import { newContainerId } from './container-id.js';
import { decidePlacement } from './placement.js';

export interface Placer {
  readonly environment: SandboxEnvironment;
  readonly artifacts: NodeArtifacts;
  readonly images: ImageStore;
  readonly budgetBytes: number;
  /** All VMs of the node; a booted one is added. */
  readonly sandboxes: Map<SandboxId, Sandbox>;
}

/** What the node can still hand out. */
export function nodeRoom({ environment, budgetBytes, sandboxes }: Placer): Room {
  const { bootMemoryBytes, overcommit } = environment.config;
  const commitments = [...sandboxes.values()].map(({ ledger }) => ({
    bootMemoryBytes,
    committedBytes: ledger.committedBytes,
    promisedBytes: ledger.promisedBytes,
  }));
  return roomOf({ budgetBytes, overcommit }, commitments);
}

/** INVALID_ARGUMENT unless a VM of this node can hold so much. */
export function checkMemoryBytes(memoryBytes: number, regionBytes: number): void {
  const largest = largestMemoryBytes(regionBytes);
  if (memoryBytes >= LIMITS.minContainerBytes && memoryBytes <= largest) return;
  throw new CzoneError(
    'INVALID_ARGUMENT',
    `memory_bytes is ${memoryBytes}: a container of this node can have ` +
      `${formatSize(LIMITS.minContainerBytes)} to ${formatSize(largest)}`,
    { field: 'memory_bytes' },
  );
}

export async function place(
  placer: Placer,
  request: PlaceRequest,
  signal: AbortSignal,
): Promise<ContainerView> {
  const { environment, sandboxes } = placer;
  const clock = new StageClock();
  const image = await clock.time('image', async () =>
    placer.images.prepare(request.image ?? (await placer.artifacts.layoutPath(request.functionId))),
  );
  if (signal.aborted) throw new CzoneError('ABORTED', 'the request was cancelled');
  const { sandbox, container } = await reserveOrMakeRoom(placer, request, image);
  sandboxes.set(sandbox.sandboxId, sandbox);
  environment.logs.open(container.id);
  try {
    await sandbox.start({
      container,
      image,
      request,
      clock,
      signal,
      readyTimeoutMs: request.readyTimeoutMs || environment.config.defaultReadyTimeoutMs,
      waitsForVm: sandbox.state !== 'READY',
    });
  } catch (error) {
    environment.logs.discard(container.id);
    throw error;
  }
  return container.view();
}

/**
 * Where the node is full, zygotes that nobody shares are ended, the longest unused first,
 * until there is room: they are only there to be quick.
 */
async function reserveOrMakeRoom(
  placer: Placer,
  request: PlaceRequest,
  image: PreparedImage,
): Promise<{ sandbox: Sandbox; container: Container }> {
  for (;;) {
    try {
      return reserve(placer, request, image);
    } catch (error) {
      const isFull = error instanceof CzoneError && error.code === 'RESOURCE_EXHAUSTED';
      if (!isFull || !(await dropOneZygote(placer.sandboxes.values()))) throw error;
    }
  }
}

/** Synchronous from the decision to the reservation. */
function reserve(
  placer: Placer,
  request: PlaceRequest,
  image: PreparedImage,
): { sandbox: Sandbox; container: Container } {
  const { environment, budgetBytes } = placer;
  const { config } = environment;
  const { tenantId } = request;
  const { digest } = image.disk;
  const zoneBytes = zoneBytesFor(request.memoryBytes);
  const firstBytes = firstZoneBytes(zoneBytes, request.initialMemoryBytes || config.firstBytes);
  const all = [...placer.sandboxes.values()];
  const decision = decidePlacement({
    tenantId,
    zoneBytes,
    firstBytes,
    sandboxes: all.map((sandbox) => ({
      sandboxId: sandbox.sandboxId,
      tenantId: sandbox.tenantId,
      state: sandbox.state,
      largestFreeBytes: sandbox.ledger.largestFreeBytes,
      containerCount: sandbox.containers.size,
      maxContainers: LIMITS.containersPerSandbox,
      imageFits: sandbox.disks.fits(digest),
    })),
    maxSandboxes: config.maxSandboxes,
    bootMemoryBytes: config.bootMemoryBytes,
    budgetBytes,
    ...nodeRoom(placer),
  });
  if (decision.kind === 'refuse') {
    throw new CzoneError(
      'RESOURCE_EXHAUSTED',
      `no room for ${request.functionId}: ${decision.reason}`,
    );
  }
  const sandbox =
    decision.kind === 'boot'
      ? new Sandbox(environment, newSandboxId(), tenantId)
      : placer.sandboxes.get(decision.sandboxId);
  if (sandbox === undefined || sandbox.tenantId !== tenantId) {
    throw new CzoneError('INTERNAL', `${tenantId} was placed into the VM of another tenant`);
  }
  const containerId = newContainerId();
  const address = sandbox.addresses.take();
  const zone = sandbox.ledger.reserve(zoneBytes, containerId, firstBytes);
  if (address === null || zone === null || !sandbox.disks.claim(digest)) {
    throw new CzoneError('INTERNAL', `${sandbox.sandboxId} has less room than it said`);
  }
  const container = new Container({
    containerId,
    sandboxId: sandbox.sandboxId,
    tenantId,
    functionId: request.functionId,
    imageDigest: digest,
    zone,
    zoneNow: () => sandbox.ledger.zone(zone.zoneId),
    address,
    memoryBytes: request.memoryBytes,
    role: 'FUNCTION',
    cold: decision.kind === 'boot',
    placementReason: decision.reason,
    labels: request.labels,
    createdAt: new Date(),
  });
  return { sandbox, container };
}

function newSandboxId(): SandboxId {
  return `vm-${randomBytes(4).toString('hex')}` as SandboxId;
}
