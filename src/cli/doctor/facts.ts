// SPDX-License-Identifier: Apache-2.0
// What `czone doctor` knows of a host, before it judges.

export interface HostFacts {
  readonly system: {
    readonly ids: readonly string[];
    readonly version: string;
    readonly name: string;
  };
  /** process.arch */
  readonly architecture: string;
  readonly nodeVersion: string;
  readonly nodeVersionMin: string;
  readonly uid: number;
  /** Packages of vm-images/host-packages.txt that are not installed; null: no dpkg. */
  readonly missingPackages: readonly string[] | null;
  /** Why the host's addon does not load; null: it does. */
  readonly addonError: string | null;
  readonly accelerator: { readonly kind: 'kvm' | 'tcg'; readonly reason: string };
  readonly availableMemoryBytes: number;
  /** Of the control group that this process is in; null: none. */
  readonly memoryLimitBytes: number | null;
  /** vm.overcommit_memory */
  readonly overcommitMode: number;
  /** vm.memfd_noexec; 0 where the kernel has none. */
  readonly memfdNoexec: number;
  /** Hard limit; node raises the soft one to it. */
  readonly openFilesMax: number;
  readonly cacheDir: string;
  readonly cacheFreeBytes: number | null;
  readonly missingArtifacts: readonly string[];
  readonly runDir: string;
  /** What lies at the run directory. */
  readonly node: NodeFacts;
}

export type NodeFacts =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'dead' }
  | { readonly kind: 'unusable'; readonly why: string };

export type Status = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly name: string;
  readonly status: Status;
  /** What is there. */
  readonly found: string;
  /** What to do; null where nothing needs to be done. */
  readonly mend: string | null;
}
