// SPDX-License-Identifier: Apache-2.0
// A container's process forked from a zygote: a helper makes the sandbox and gives it to
// the zone, the zygote forks into both. The child is the daemon's own.
import { open } from './memory-files.js';
import { findFirstProcess, findLostChildren } from './process.js';
import type { ContainerSpec } from './request.js';
import type { Helper } from './sandbox-maker.js';
import { OUTSIDE } from './sandbox-request.js';
import { describeFailure, encodeSandbox, sandboxSteps } from './sandbox-steps.js';
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
  const steps = sandboxSteps({
    spec,
    lower: await around.images.mount(spec.imageSerial),
    scratch: made.bundle.scratchPath,
    root: made.bundle.rootPath,
  });
  const making = makeSandbox(around, made, encodeSandbox(steps));
  // The helper works on another processor meanwhile.
  made.readOutputs();
  const helper = await making;
  mark('spawn');
  if (helper.failure !== null) {
    if (helper.failure.step === OUTSIDE.lost) await endWhoeverIsThere(made);
    return {
      refusal: `no sandbox could be made for it: ${describeFailure(helper.failure, steps)}`,
    };
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

async function makeSandbox(
  { sandboxMaker, network }: Surroundings,
  { cgroup, zoneFd, namespace }: Made,
  steps: string,
): Promise<Helper> {
  if (namespace === null) throw new Error('a container without a network has no sandbox');
  const cgroupHandle = await cgroup.openDirectory();
  const networkHandle = await open(network.namespacePath(namespace), 'r');
  try {
    return await sandboxMaker.make(steps, [zoneFd, cgroupHandle.fd, networkHandle.fd]);
  } finally {
    await Promise.all([cgroupHandle.close(), networkHandle.close()]);
  }
}

/** After a helper's or a zygote's fork of which nobody knows whether it was. */
async function endWhoeverIsThere({ cgroup, watch }: Made): Promise<void> {
  const pids = await cgroup.pids().catch(() => []);
  const ended = pids.map((pid) => watch(pid));
  await cgroup.kill();
  await Promise.all(ended);
  await cgroup.whenEmpty();
}
