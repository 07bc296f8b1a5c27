// SPDX-License-Identifier: Apache-2.0
// Waits until a container's port takes connections.
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE_MS = 2;
const PAUSE_GROWTH = 1.3;
const MAX_PAUSE_MS = 50;
const CONNECT_TIMEOUT_MS = 1000;

/** True when the port answered; false when `signal` came first. */
export async function untilPortAnswers(
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (
    let pauseMs = FIRST_PAUSE_MS;
    !signal.aborted;
    pauseMs = Math.min(pauseMs * PAUSE_GROWTH, MAX_PAUSE_MS)
  ) {
    if (await answers(address, port, signal)) return true;
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
  return false;
}

function answers(address: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port });
    const finish = (answered: boolean) => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answered);
    };
    const giveUp = () => finish(false);
    // By hand: a socket's own `signal` option leaves a listener behind for each try.
    signal.addEventListener('abort', giveUp);
    socket.setTimeout(CONNECT_TIMEOUT_MS, giveUp);
    socket.once('connect', () => finish(true));
    socket.on('error', giveUp);
  });
}
