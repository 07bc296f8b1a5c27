// SPDX-License-Identifier: Apache-2.0
// How crun is run.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerId } from '../protocol/ids.js';
import type { Bundle } from './bundle.js';

export const CRUN_PATH = '/usr/bin/crun';
export const CRUN_ENVIRONMENT: readonly string[] = [
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'LC_ALL=C',
];

/** Creates and starts a container and leaves; the container's first process goes to the subreaper. */
export function crunRunArguments(
  stateRoot: string,
  id: ContainerId,
  bundle: Bundle,
  passedFds: number,
): readonly string[] {
  return [
    'crun',
    `--root=${stateRoot}`,
    // The daemon has made the cgroup; crun and all of its children are in it.
    '--cgroup-manager=disabled',
    `--log=${bundle.crunLogPath}`,
    'run',
    '--detach',
    `--bundle=${bundle.directory}`,
    `--pid-file=${bundle.pidPath}`,
    // From 3 on they reach the container.
    `--preserve-fds=${passedFds}`,
    id,
  ];
}

/**
 * Takes away what crun keeps of a container whose processes are gone. `crun delete
 * --force` does no more where there are no hooks and no cgroup manager, but it costs
 * an exec, and the end of a container is waited for.
 */
export async function forgetContainer(stateRoot: string, id: ContainerId): Promise<void> {
  await rm(join(stateRoot, id), { recursive: true, force: true });
}
