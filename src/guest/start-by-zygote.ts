// SPDX-License-Identifier: Apache-2.0
// A container's process forked from a zygote: a helper makes the sandbox and gives it to
// the zone, the zygote forks into both. The child is the daemon's own.
import { open } from './memory-files.js';
import type { SandboxFailure, SandboxStep } from './native.js';
import { ociConfig } from './oci-config.js';
import { findFirstProcess, findLostChildren } from './process.js';
import type { ContainerSpec } from './request.js';
import { sandboxSteps } from './sandbox-steps.js';
import type { Made } from './start-by-crun.js';
import type { Surroundings } from './surroundings.js';
import type { ZygoteChannel } from './zygote-channel.js';

export type ForkedProcess =
  /** 0: it has ended already. */
  | { readonly pid: number }
  /** Nothing runs; `namespace` may be used up. */
  | { readonly refusal: string };

export async function startByZygote(
  around: Surroundings,
  spec: ContainerSpec,
  made: Made,
  zygote: ZygoteChannel,
  mark: (stage: string) => void,
): Promise<ForkedProcess> {
  const steps = await stepsOf(around, spec, made);
  const helper = await makeSandbox(around, made, steps);
  mark('spawn');
  if (helper.failure !== null) {
    return { refusal: `no sandbox could be made for it: ${describe(helper.failure, steps)}` };
  }
  made.ending.throwIfAborted();
  const [stdout, stderr] = made.outputs;
  const result = await zygote.fork(spec.environment, [made.zoneFd, stdout.fd, stderr.fd]);
  if (result.kind === 'refused') return { refusal: result.reason };
  if (result.kind === 'lost') {
    await endWhoeverIsThere(made);
    return { refusal: result.reason };
  }
  const pid = await findFirstProcess(around.procRoot, await made.cgroup.pids());
  if (pid === null) {
    for (const lost of await findLostChildren(around.procRoot, helper.pid)) void made.watch(lost);
  }
  return { pid: pid ?? 0 };
}

async function stepsOf(
  { images, network }: Surroundings,
  spec: ContainerSpec,
  { bundle, namespace }: Made,
): Promise<SandboxStep[]> {
  const networkNamespace = namespace === null ? null : network.namespacePath(namespace);
  const lower = await images.mount(spec.imageSerial);
  return sandboxSteps({
    config: ociConfig(spec, { rootPath: bundle.rootPath, networkNamespace }),
    overlay: {
      lower,
      scratch: bundle.scratchPath,
      root: bundle.rootPath,
      sizeBytes: spec.memoryBytes,
    },
    address: spec.address,
  });
}

async function makeSandbox(
  { addon, network }: Surroundings,
  { cgroup, zoneFd, namespace }: Made,
  steps: readonly SandboxStep[],
): Promise<{ pid: number; failure: SandboxFailure | null }> {
  if (namespace === null) throw new Error('a container without a network has no sandbox');
  const cgroupHandle = await cgroup.openDirectory();
  const networkHandle = await open(network.namespacePath(namespace), 'r');
  try {
    const helper = addon.startSandboxHelper({
      zoneFd,
      cgroupFd: cgroupHandle.fd,
      networkFd: networkHandle.fd,
      steps,
    });
    const { exitCode } = await addon.waitPidfd(helper.pidfd);
    const failure = addon.readSandboxFailure(helper.reportFd);
    // Killed, as when the container's memory is full.
    if (failure === null && exitCode !== 0) return { pid: helper.pid, failure: KILLED };
    return { pid: helper.pid, failure };
  } finally {
    await Promise.all([cgroupHandle.close(), networkHandle.close()]);
  }
}

const KILLED: SandboxFailure = { step: -4, code: 'killed' };
const OUTSIDE = new Map([
  [-1, 'unshare'],
  [-2, 'the network'],
  [-3, 'handing it to the zone'],
  [KILLED.step, 'its helper'],
]);

function describe({ step, code }: SandboxFailure, steps: readonly SandboxStep[]): string {
  const failed = steps[step];
  const subject = failed !== undefined && 'path' in failed ? ` ${failed.path}` : '';
  const what = failed === undefined ? OUTSIDE.get(step) : `${failed.act}${subject}`;
  return `${what ?? `step ${step}`} (${code})`;
}

/** After a fork of which nobody knows whether it was. */
async function endWhoeverIsThere({ cgroup, watch }: Made): Promise<void> {
  const pids = await cgroup.pids().catch(() => []);
  const ended = pids.map((pid) => watch(pid));
  await cgroup.kill();
  await Promise.all(ended);
  await cgroup.whenEmpty();
}
