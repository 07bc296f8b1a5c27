// SPDX-License-Identifier: Apache-2.0
// One port of the host's loopback for each container, forwarded to it by QEMU.
import net from 'node:net';
import { CzoneError } from '../../protocol/errors.js';
import { NETDEV_ID } from '../vm/command-line.js';
import type { QmpClient } from '../vm/qmp.js';

/** Between the kernel's naming a free port and QEMU's binding it another may take it. */
const ATTEMPTS = 20;

export interface ForwardDeps {
  readonly pickPort: () => Promise<number>;
}

/** Where containers answer inside. */
export const CONTAINER_PORT = 8080;

/** The host's port. */
export async function addForward(
  qmp: Pick<QmpClient, 'humanCommand'>,
  guestAddress: string,
  deps: ForwardDeps = { pickPort: pickFreePort },
): Promise<number> {
  let answer = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = await deps.pickPort();
    const rule = `tcp:127.0.0.1:${port}-${guestAddress}:${CONTAINER_PORT}`;
    answer = await qmp.humanCommand(`hostfwd_add ${NETDEV_ID} ${rule}`);
    if (answer === '') return port;
  }
  throw new CzoneError('RESOURCE_EXHAUSTED', `QEMU forwards no port of the host: ${answer}`);
}

/** Succeeds on what is already gone. */
export async function removeForward(
  qmp: Pick<QmpClient, 'humanCommand'>,
  port: number,
): Promise<void> {
  await qmp.humanCommand(`hostfwd_remove ${NETDEV_ID} tcp:127.0.0.1:${port}`);
}

export function pickFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}
