// SPDX-License-Identifier: Apache-2.0
// Starts a container in its VM: image, zone, port, then the guest. On an error each
// step that was taken is taken back, so that nothing of the container is left.
import { CzoneError } from '../../protocol/errors.js';
import {
  ContainerRole,
  type StartContainerResponse,
  StartMethod,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import { printable } from '../agent/printable.js';
import type { PlaceRequest } from '../controller-api.js';
import type { PreparedImage } from '../images/image-store.js';
import { LIMITS } from '../limits.js';
import { addForward, CONTAINER_PORT, removeForward } from '../ports/host-forwards.js';
import { diskSerial } from '../vm/disks.js';
import type { Container } from './container.js';
import type { GuestSide } from './guest-side.js';
import type { StageClock } from './stage-clock.js';
import { stopInGuest } from './stop-in-guest.js';

export interface Start {
  readonly container: Container;
  readonly image: PreparedImage;
  readonly request: PlaceRequest;
  readonly readyTimeoutMs: number;
  readonly clock: StageClock;
  readonly signal: AbortSignal;
  /** The VM was not ready when the container was placed in it. */
  readonly waitsForVm: boolean;
}

/** Of a reason that the guest gives. */
const REASON_MAX_LENGTH = 500;

/** Of the call to a guest daemon that goes away. */
const ATTEMPTS = 3;

type Undo = () => Promise<void>;

/**
 * The container serves, or waits to be forked, when this is fulfilled; with why crun
 * made it though it has a zygote, or an empty text.
 */
export async function startContainer(guest: GuestSide, start: Start): Promise<string> {
  const undo: Undo[] = [];
  try {
    return await takeSteps(guest, start, undo);
  } catch (error) {
    for (const step of undo.reverse()) {
      await step().catch((cause: unknown) => {
        if (guest.over) return;
        guest.log.error(
          { containerId: start.container.id, cause },
          'a failed start left something',
        );
      });
    }
    throw error;
  }
}

async function takeSteps(guest: GuestSide, start: Start, undo: Undo[]): Promise<string> {
  const { container, image, clock, signal } = start;
  const { facts } = container;
  const check = () => {
    if (signal.aborted) throw new CzoneError('ABORTED', `placing ${container.id} was cancelled`);
  };
  const { zoneId } = facts.zone;
  let plugged = false;
  undo.push(async () => {
    guest.addresses.release(facts.address);
    if (plugged) await guest.zones.giveBack(zoneId, () => {});
  });
  try {
    if (start.waitsForVm) await clock.time('vm', () => abortable(guest.whenReady(), signal));
    check();
    await clock.time('image', () => guest.disks.attach(guest.qmp(), image.disk));
    check();
  } catch (error) {
    guest.zones.cancel(zoneId);
    throw error;
  }
  const forward = async () => {
    container.hostPort = await addForward(guest.qmp(), facts.address);
  };
  // Nobody needs the port before the container answers. Undone when it is known.
  const forwarding = container.isZygote ? Promise.resolve() : clock.time('network', forward);
  const forwarded = forwarding.catch(() => {});
  undo.push(async () => {
    await forwarded;
    if (container.hostPort !== null) await removeForward(guest.qmp(), container.hostPort);
    container.hostPort = null;
  });
  container.plugGuestUs = await clock.time('plug', () => guest.zones.plug(facts.zone));
  plugged = true;
  check();
  // Before the call: a lost answer must not leave a container behind.
  undo.push(async () => {
    await stopInGuest(guest, container.id, 0);
  });
  const response = await startInGuest(guest, start);
  await forwarding;
  for (const stage of response.stages) clock.add(stage.name, Number(stage.durationUs));
  container.guestPid = response.pid;
  container.stages = clock.stages();
  container.runtime = printable(response.runtime, REASON_MAX_LENGTH);
  if (container.zygote === null || response.method === StartMethod.START_METHOD_ZYGOTE) return '';
  return printable(response.fallbackReason, REASON_MAX_LENGTH) || 'the guest gives no reason';
}

/** Begins again when the guest daemon died over it. */
async function startInGuest(guest: GuestSide, start: Start): Promise<StartContainerResponse> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callGuest(guest, start);
    } catch (error) {
      const away = error instanceof CzoneError && error.code === 'UNAVAILABLE';
      if (!away || guest.over || start.signal.aborted || attempt === ATTEMPTS) throw error;
      guest.log.warn({ containerId: start.container.id, error: error.message }, 'starting again');
    }
    // What the dead daemon had begun must be gone before the zone is used again.
    await abortable(stopInGuest(guest, start.container.id, 0), start.signal);
  }
}

async function callGuest(guest: GuestSide, start: Start): Promise<StartContainerResponse> {
  const { container, image, request, signal } = start;
  const { facts } = container;
  const environment = new Map([...image.environment, ...request.environment]);
  environment.set('PORT', `${CONTAINER_PORT}`);
  const role = container.isZygote
    ? ContainerRole.CONTAINER_ROLE_ZYGOTE
    : ContainerRole.CONTAINER_ROLE_FUNCTION;
  const agent = guest.agent();
  await abortable(agent.whenUp(LIMITS.agentAwayMs), signal);
  const call = agent.client.startContainer({
    containerId: container.id,
    zoneId: facts.zone.zoneId,
    imageSerial: diskSerial(image.disk.digest),
    command: [...(request.command ?? image.command)],
    environment: [...environment].map(([name, value]) => ({ name, value })),
    workingDirectory: image.workingDirectory,
    memoryBytes: BigInt(facts.memoryBytes),
    cpuMillis: request.cpuMillis,
    address: facts.address,
    port: CONTAINER_PORT,
    readyTimeoutMs: start.readyTimeoutMs,
    hostname: container.id,
    uid: image.uid,
    gid: image.gid,
    role,
    zygoteId: container.zygote?.id ?? '',
    zygoteOnly: request.startMode === 'ZYGOTE',
  });
  return abortable(call, signal);
}

/** The caller's leaving ends the wait; what was begun is undone by the caller. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new CzoneError('ABORTED', 'the request was cancelled'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
