// SPDX-License-Identifier: Apache-2.0
// A private unix socket whose one connection is a session of the link: the gRPC
// client can only dial addresses.
import fs from 'node:fs';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';

export interface LinkProxy {
  /** For the gRPC client. */
  readonly target: string;
  close(): void;
}

/** Serves the first connection with the session; either's end is the other's. */
export async function serveSession(session: Duplex, socketPath: string): Promise<LinkProxy> {
  fs.rmSync(socketPath, { force: true });
  let connection: net.Socket | null = null;
  const server = net.createServer((socket) => {
    if (connection !== null) {
      socket.destroy();
      return;
    }
    connection = socket;
    pipeline(socket, session, socket, () => {
      socket.destroy();
      session.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  fs.chmodSync(socketPath, 0o600);
  return {
    target: `unix:${socketPath}`,
    close: () => {
      server.close();
      connection?.destroy();
      session.destroy();
      fs.rmSync(socketPath, { force: true });
    },
  };
}
