// SPDX-License-Identifier: Apache-2.0
// Makes the controller of a node: claims the run directory, looks at what there is to
// run VMs with, and wires the parts.
import fs from 'node:fs/promises';
import path from 'node:path';
import { CzoneError } from '../protocol/errors.js';
import { garbageCollector } from '../protocol/heap.js';
import { builtArtifacts } from './built-artifacts.js';
import { type NodeConfig, type NodeConfigInput, parseNodeConfig } from './config.js';
import type { ContainerView, Controller } from './controller-api.js';
import { loadHostAddon } from './device/addon.js';
import type { HostAddon } from './device/native.js';
import { EndedContainers } from './ended-containers.js';
import { ImageStore } from './images/image-store.js';
import { kernelRelease } from './kernel-version.js';
import { defaultBudgetBytes } from './ledger/budget.js';
import { LIMITS } from './limits.js';
import { type Log, SILENT } from './log.js';
import { ContainerLogs } from './logs/container-logs.js';
import type { NodeArtifacts } from './node-artifacts.js';
import { NodeController } from './node-controller.js';
import { nodeRoom, type Placer } from './placement/place.js';
import { QuietMemory } from './quiet-memory.js';
import { RememberedRequests } from './requests/remembered.js';
import type { SandboxEnvironment } from './sandbox/environment.js';
import { claimRunDir, type NodeClaim } from './state/node-claim.js';
import type { SweepReport } from './state/sweep.js';
import { type Accelerator, chooseAccelerator, realWorld } from './vm/accelerator.js';
import { probeKvm } from './vm/accelerator-probe.js';
import { examineVmm, type VmmBinary } from './vm/vmm-binary.js';
import { reserveZygote } from './zygotes/reserve-zygote.js';

export interface ControllerDeps {
  readonly version: string;
  readonly log?: Log;
  readonly artifacts?: NodeArtifacts;
  readonly addon?: HostAddon;
  /** What a dead node before this one had left and was cleaned up. */
  readonly onSwept?: (report: SweepReport) => void;
}

/**
 * FAILED_PRECONDITION: the run directory is another node's; QEMU, kernel, root file
 * system or the addon is missing. INVALID_ARGUMENT: the configuration.
 */
export async function createController(
  input: NodeConfigInput,
  deps: ControllerDeps,
): Promise<Controller> {
  const config = parseNodeConfig(input);
  const socketPath = config.socketPath ?? path.join(config.runDir, 'node.sock');
  // First, so that what a dead node left is cleaned up whatever else is missing.
  const claim = await claimRunDir(config.runDir, socketPath);
  try {
    if (claim.swept.found) deps.onSwept?.(claim.swept);
    return await assemble(config, deps, claim);
  } catch (error) {
    await claim.release();
    throw error;
  }
}

async function assemble(
  config: NodeConfig,
  deps: ControllerDeps,
  claim: NodeClaim,
): Promise<Controller> {
  const artifacts = deps.artifacts ?? builtArtifacts(config);
  const addon = deps.addon ?? loadHostAddon();
  const vmm = await examineVmm(await artifacts.vmmPath());
  const kernelPath = await artifacts.kernelPath();
  const rootfsPath = await artifacts.rootfsPath();
  for (const file of [kernelPath, rootfsPath]) await requireFile(file);
  const functions = await artifacts.functions();
  const accelerator = await chooseAccelerator(
    realWorld(() => probeKvm(vmm, path.join(config.cacheDir, 'kvm-probe'))),
  );
  const budgetBytes = config.budgetBytes ?? (await readBudget());
  const images = new ImageStore(config.cacheDir);
  await images.removeLeftovers();

  const log = deps.log ?? SILENT;
  const quiet = new QuietMemory({
    collect: garbageCollector(),
    trimHeap: () => addon.trimHeap(),
    processes: () => [
      process.pid,
      ...[...placer.sandboxes.values()]
        .filter(({ state }) => state === 'READY')
        .map(({ vmmPid }) => vmmPid),
    ],
    pageOutProgram: (pid) => {
      const errno = addon.pageOutProgram(pid);
      // Nothing depends on it.
      if (errno !== 0) log.info({ pid, errno }, 'a program stays in memory');
    },
  });
  const ended = new EndedContainers(LIMITS.exitedContainers);
  const environment: SandboxEnvironment = {
    config,
    addon,
    vmm,
    accelerator: accelerator.kind,
    kernelPath,
    rootfsPath,
    logs: new ContainerLogs(claim.paths.logs),
    log,
    spareBytes: () => nodeRoom(placer).spareBytes,
    reserveZygote: (sandbox, like, image) =>
      reserveZygote({
        sandbox,
        like,
        image,
        room: nodeRoom(placer),
        firstBytes: config.firstBytes,
      }),
    onContainerEnded: (container) => ended.add(container),
    onSandboxEnded: (sandboxId) => {
      placer.sandboxes.delete(sandboxId);
      quiet.worked();
    },
    onWork: () => quiet.worked(),
  };
  const placer: Placer = { environment, artifacts, images, budgetBytes, sandboxes: new Map() };
  return new NodeController({
    placer,
    ended,
    requests: new RememberedRequests<ContainerView>({
      maxEntries: LIMITS.rememberedRequests,
      keepMs: LIMITS.rememberedRequestMs,
      nowMs: () => performance.now(),
    }),
    release: claim.release,
    facts: {
      ...nodeFacts(config, claim, accelerator, vmm),
      version: deps.version,
      kernelRelease: await kernelRelease(kernelPath),
      budgetBytes,
      functions,
    },
  });
}

function nodeFacts(config: NodeConfig, claim: NodeClaim, accelerator: Accelerator, vmm: VmmBinary) {
  return {
    nodeId: claim.record.nodeId,
    pid: process.pid,
    startedAt: new Date(claim.record.startedAt),
    accelerator: accelerator.kind,
    acceleratorReason: accelerator.reason,
    vmmVersion: vmm.version,
    maxSandboxes: config.maxSandboxes,
    sandboxRegionBytes: config.regionBytes,
    sandboxBootMemoryBytes: config.bootMemoryBytes,
  };
}

async function requireFile(file: string): Promise<void> {
  try {
    await fs.access(file, fs.constants.R_OK);
  } catch (error) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `${file} can not be read: build it with './czone images'`,
      { cause: error },
    );
  }
}

async function readBudget(): Promise<number> {
  const budgetBytes = defaultBudgetBytes(await fs.readFile('/proc/meminfo', 'utf8'));
  if (budgetBytes === null) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      '/proc/meminfo names no MemAvailable: set a budget',
    );
  }
  return budgetBytes;
}
