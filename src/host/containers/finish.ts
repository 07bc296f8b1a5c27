// SPDX-License-Identifier: Apache-2.0
// A container has ended: its port is closed, its zone goes back to the host, and what
// came back is written down.
import { messageOf } from '../../protocol/errors.js';
import type { ContainerExit } from '../controller-api.js';
import { removeForward } from '../ports/host-forwards.js';
import type { Container } from './container.js';
import { LOST_EXIT } from './exits.js';
import type { GuestSide } from './guest-side.js';

/**
 * Marks it EXITED at once; the promise is fulfilled when the zone was dealt with.
 * `onSettled`: nothing of the container is left in the VM.
 */
export function finishContainer(
  guest: GuestSide,
  container: Container,
  exit: ContainerExit,
  onSettled: () => void,
): Promise<void> {
  container.finished ??= finish(guest, container, exit, onSettled);
  return container.finished;
}

/**
 * Its VM is gone and the memory file closed: all that its zone held is back.
 * `residentBytes` were counted just before.
 */
export function loseContainer(container: Container, residentBytes: number, unplugUs: number): void {
  container.state = 'EXITED';
  container.exit ??= LOST_EXIT;
  container.hostPort = null;
  container.finished ??= Promise.resolve();
  if (container.memoryReturn?.complete === true) return;
  const bytes = container.memoryReturn?.residentBytes ?? residentBytes;
  container.memoryReturn = {
    residentBytes: bytes,
    returnedBytes: bytes,
    earlyBytes: container.memoryReturn?.earlyBytes ?? 0,
    unplugUs,
    guestUs: 0,
    complete: true,
  };
}

/** A port that stays open leads nowhere; the zone goes back all the same. */
async function closePort(guest: GuestSide, container: Container): Promise<void> {
  if (container.hostPort === null) return;
  try {
    await removeForward(guest.qmp(), container.hostPort);
    container.hostPort = null;
  } catch (error) {
    if (guest.over) throw error;
    guest.log.warn({ containerId: container.id, error: messageOf(error) }, 'a port stays open');
  }
}

async function finish(
  guest: GuestSide,
  container: Container,
  exit: ContainerExit,
  onSettled: () => void,
): Promise<void> {
  container.state = 'EXITED';
  container.exit = exit;
  const { zone, address } = container.facts;
  try {
    await closePort(guest, container);
    // A zone whose pages others share can't come back; none but a zygote's is shared.
    await container.whenChildless();
    if (guest.over) return;
    const result = await guest.zones.giveBack(zone.zoneId, (later) => {
      container.memoryReturn = later;
      onSettled();
    });
    container.memoryReturn = result;
    if (result.complete) onSettled();
  } catch (error) {
    // The VM's end settles what is open, with the memory file's.
    if (!guest.over) {
      guest.log.error(
        { containerId: container.id, error: messageOf(error) },
        'an ended container was not cleaned up',
      );
    }
  } finally {
    guest.addresses.release(address);
    guest.logs.end(container.id);
  }
}
