// SPDX-License-Identifier: Apache-2.0
// What the bench runs with, built where it is missing, and what machine this is.
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { defaultCacheDir } from '../../artifacts/cache.js';
import type { Artifact } from '../../artifacts/ensure.js';
import type { ArtifactName } from '../../artifacts/recipes.js';
import { loadHostAddon } from '../../host/device/addon.js';
import { chooseAccelerator, realWorld } from '../../host/vm/accelerator.js';
import { probeKvm } from '../../host/vm/accelerator-probe.js';
import { examineVmm } from '../../host/vm/vmm-binary.js';
import type { Mode } from '../measurement.js';
import type { Machine } from './bench-vm.js';

/** The unpatched kernel is built only for who is compared with it. */
export function benchArtifacts(mode: Mode): ArtifactName[] {
  const all: ArtifactName[] = ['kernel-bench', 'bench-guest', 'qemu'];
  return mode === 'quick' ? all : [...all, 'kernel-bench-stock'];
}

/** What a figure belongs to: it holds for this and no other. */
export interface MachineFacts {
  readonly accelerator: 'kvm' | 'tcg';
  readonly processor: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly hostKernel: string;
  readonly vmm: string;
  /** Hash of the inputs of each artifact. */
  readonly artifacts: Readonly<Record<string, string>>;
}

export interface ReadyMachine {
  readonly machine: Machine;
  readonly facts: MachineFacts;
  /** The program that measures the host's limit. */
  readonly punchPath: string;
}

/** `artifacts`: of benchArtifacts(). */
export async function readyMachine(
  artifacts: readonly Artifact[],
  signal: AbortSignal,
): Promise<ReadyMachine> {
  const find = (name: ArtifactName) => artifacts.find((artifact) => artifact.name === name);
  const file = (name: ArtifactName, path: string) => join(find(name)?.dir ?? '', path);
  const vmm = await examineVmm(file('qemu', 'qemu-system-x86_64'));
  const accelerator = await chooseAccelerator(
    realWorld(() => probeKvm(vmm, join(defaultCacheDir(), 'kvm-probe'))),
  );
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8');
  return {
    machine: {
      addon: loadHostAddon(),
      qemuPath: vmm.path,
      accelerator: accelerator.kind,
      kernels: {
        czone: file('kernel-bench', 'bzImage'),
        stock: find('kernel-bench-stock') ? file('kernel-bench-stock', 'bzImage') : null,
      },
      initramfsPath: file('bench-guest', 'initramfs.cpio.gz'),
      signal,
    },
    facts: {
      accelerator: accelerator.kind,
      processor: /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? 'unknown',
      processors: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      hostKernel: os.release(),
      vmm: `QEMU ${vmm.version}`,
      artifacts: Object.fromEntries(artifacts.map(({ name, hash }) => [name, hash])),
    },
    punchPath: file('bench-guest', 'punch'),
  };
}
