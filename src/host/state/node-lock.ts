// SPDX-License-Identifier: Apache-2.0
// One node a run directory: an abstract unix socket named after the directory. The
// kernel takes it away with its process, so a dead node never holds it.
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import net from 'node:net';

export interface NodeLock {
  release(): Promise<void>;
}

/** null: another process holds it. The directory must exist. */
export async function tryLockRunDir(runDir: string): Promise<NodeLock | null> {
  const real = await fs.realpath(runDir);
  const name = `\0czone-${createHash('sha256').update(real).digest('hex')}`;
  const server = net.createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(name, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
  server.unref();
  return {
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
