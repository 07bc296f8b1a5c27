// SPDX-License-Identifier: Apache-2.0
// A container's process made by crun, in the container's zone and cgroup.
import { CzoneError } from '../protocol/errors.js';
import type { ContainerId } from '../protocol/ids.js';
import type { Bundle } from './bundle.js';
import type { ContainerCgroup } from './cgroup.js';
import { CRUN_ENVIRONMENT, CRUN_PATH, crunRunArguments } from './crun.js';
import type { OpenFile } from './memory-files.js';
import type { WaitResult } from './native.js';
import type { NamespaceName } from './network.js';
import { ociConfig } from './oci-config.js';
import { findRuntimeOrphans } from './process.js';
import type { ContainerSpec } from './request.js';
import type { Surroundings } from './surroundings.js';

/** What a container has when its process is made. */
export interface Made {
  readonly id: ContainerId;
  readonly bundle: Bundle;
  readonly cgroup: ContainerCgroup;
  readonly zoneFd: number;
  readonly outputs: readonly [OpenFile, OpenFile];
  /** The daemon begins to read them, once; while they are open here. */
  readonly readOutputs: () => void;
  /** null: a zygote's, which leads nowhere. */
  readonly namespace: NamespaceName | null;
  /** It is being stopped. */
  readonly ending: AbortSignal;
  /** The container's last words, for errors. */
  readonly said: () => string;
  /** Reaps a process of the container. */
  readonly watch: (pid: number) => Promise<WaitResult>;
}

/** The pid of its first process. */
export async function startByCrun(
  around: Surroundings,
  spec: ContainerSpec,
  made: Made,
  passedFds: readonly number[],
  mark: (stage: string) => void,
): Promise<number> {
  const { addon, images, network } = around;
  const { id, bundle, cgroup, namespace } = made;
  const config = ociConfig(spec, {
    rootPath: bundle.rootPath,
    networkNamespace: namespace === null ? null : network.namespacePath(namespace),
  });
  await bundle.writeConfig(config);
  made.readOutputs();
  const lower = await images.mount(spec.imageSerial);
  const cgroupHandle = await cgroup.openDirectory();
  let crun: { pid: number; pidfd: number };
  try {
    made.ending.throwIfAborted();
    crun = addon.spawnInZone({
      zoneFd: made.zoneFd,
      cgroupFd: cgroupHandle.fd,
      path: CRUN_PATH,
      argv: crunRunArguments(around.crunStateRoot, id, bundle, passedFds.length),
      env: CRUN_ENVIRONMENT,
      stdoutFd: made.outputs[0].fd,
      stderrFd: made.outputs[1].fd,
      passedFds,
      overlay: {
        lower,
        scratch: bundle.scratchPath,
        root: bundle.rootPath,
        sizeBytes: spec.memoryBytes,
      },
    });
  } catch (error) {
    throw spawnError(spec, made.ending, error);
  } finally {
    await cgroupHandle.close();
  }
  mark('spawn');
  const status = await addon.waitPidfd(crun.pidfd);
  const pid = await bundle.readPid();
  const live = await cgroup.pids().catch(() => []);
  for (const orphan of await findRuntimeOrphans(around.procRoot, crun.pid, pid, live)) {
    void made.watch(orphan);
  }
  if (status.exitCode !== 0 || pid === null) throw await crunError(made, status);
  return pid;
}

function spawnError(spec: ContainerSpec, ending: AbortSignal, error: unknown): unknown {
  const { step, code } = error as { step?: unknown; code?: unknown };
  if (ending.aborted || typeof step !== 'string') return error;
  return new CzoneError(
    code === 'EBUSY' ? 'FAILED_PRECONDITION' : 'INTERNAL',
    `Container ${spec.id} could not be forked into zone ${spec.zoneId}, at ${step} (${String(code)}).`,
    { cause: error },
  );
}

async function crunError(made: Made, { exitCode, signal }: WaitResult): Promise<CzoneError> {
  const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
  const oom = (await made.cgroup.oomKills()) > 0 ? ' Its memory was full.' : '';
  const log = (await made.bundle.readCrunLog()).split('\n').slice(-3).join('; ');
  return new CzoneError(
    'ABORTED',
    `crun could not create container ${made.id} (${how}).${oom}${log ? ` It said: ${log}` : made.said()}`,
  );
}
