// SPDX-License-Identifier: Apache-2.0
// The node's unix socket: what may lie at its path already, and how ours gets
// there with mode 0600 from its first moment on.
import { chmod, lstat, mkdtemp, rename, rm, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { CzoneError } from '../protocol/errors.js';
import { SOCKET_PATH_BYTES_MAX } from './limits.js';

const PROBE_TIMEOUT_MS = 2_000;
const NEST = '.czone-';
/** `/.czone-XXXXXX/s`, where the socket is made. */
const NEST_BYTES = NEST.length + 6 + 3;

export function checkSocketPath(socketPath: string): void {
  const longest = Math.max(
    Buffer.byteLength(socketPath),
    Buffer.byteLength(dirname(socketPath)) + NEST_BYTES,
  );
  if (longest > SOCKET_PATH_BYTES_MAX) {
    throw new CzoneError(
      'INVALID_ARGUMENT',
      `the socket's path ${socketPath} is too long (a unix socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes); choose a shorter one`,
      { field: 'socket' },
    );
  }
}

/** Refuses a path where another node answers or something else lies; removes a stale socket. */
export async function clearSocketPath(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `${socketPath} exists and is no socket; remove it or choose another path`,
    );
  }
  if (await answers(socketPath)) {
    throw new CzoneError(
      'ALREADY_EXISTS',
      `a node already runs at ${socketPath}; stop it or choose another --run-dir`,
    );
  }
  await unlink(socketPath).catch(() => {});
}

/** Whether some process accepts connections there. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(true)); // its queue is full: it lives
    socket.once('connect', () => done(true));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'EAGAIN'));
  });
}

/**
 * Has `listen` bind in a folder that is closed to others (mkdtemp: 0700), then
 * moves the socket to its place: it is never there with another mode. Answers
 * with what removes it again, as long as it is still ours.
 */
export async function placeSocket(
  socketPath: string,
  listen: (temporaryPath: string) => Promise<void>,
): Promise<() => Promise<void>> {
  const nest = await mkdtemp(join(dirname(socketPath), NEST));
  try {
    const temporaryPath = join(nest, 's');
    await listen(temporaryPath);
    await chmod(temporaryPath, 0o600);
    const { ino, dev } = await lstat(temporaryPath);
    await rename(temporaryPath, socketPath);
    return async () => {
      const now = await lstat(socketPath).catch(() => null);
      if (now?.ino === ino && now.dev === dev) await unlink(socketPath).catch(() => {});
    };
  } finally {
    await rm(nest, { recursive: true, force: true });
  }
}
