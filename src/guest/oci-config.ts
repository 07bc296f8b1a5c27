// SPDX-License-Identifier: Apache-2.0
// What crun is told of a container: config.json of the OCI runtime specification.
import type { ContainerSpec } from './request.js';
import { SECCOMP } from './seccomp.js';

const OPEN_FILES_MAX = 4096;
const NO_CAPABILITIES = {
  bounding: [],
  effective: [],
  inheritable: [],
  permitted: [],
  ambient: [],
};

/** Would tell of the whole sandbox, its memory or its kernel. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/buddyinfo',
  '/proc/config.gz',
  '/proc/czoneinfo',
  '/proc/iomem',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/latency_stats',
  '/proc/modules',
  '/proc/pagetypeinfo',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/slabinfo',
  '/proc/timer_list',
  '/proc/vmallocinfo',
  '/proc/zoneinfo',
];
export const READ_ONLY_PATHS: readonly string[] = [
  '/proc/asound',
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/**
 * `rootPath` is where the container's overlay is mounted when crun runs. Without a
 * namespace to join it gets a new one, which leads nowhere.
 */
export function ociConfig(
  spec: ContainerSpec,
  paths: { rootPath: string; networkNamespace: string | null },
) {
  return {
    ociVersion: '1.0.2',
    hostname: spec.hostname,
    root: { path: paths.rootPath, readonly: false },
    process: {
      terminal: false,
      user: { uid: spec.uid, gid: spec.gid },
      args: spec.command,
      env: spec.environment,
      cwd: spec.workingDirectory,
      capabilities: NO_CAPABILITIES,
      noNewPrivileges: true,
      // The daemon's own, which crun would hand on, protects it from being killed.
      oomScoreAdj: 500,
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: OPEN_FILES_MAX, hard: OPEN_FILES_MAX },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ],
    },
    mounts: containerMounts(spec.memoryBytes),
    linux: {
      namespaces: [
        { type: 'pid' },
        { type: 'mount' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'cgroup' },
        {
          type: 'network',
          ...(paths.networkNamespace === null ? {} : { path: paths.networkNamespace }),
        },
      ],
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
      seccomp: SECCOMP,
    },
  };
}

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** In a container's root, in this order. */
export function containerMounts(memoryBytes: number): readonly Mount[] {
  const temporaryKib = Math.max(64, Math.floor(memoryBytes / 2 / 1024));
  const size = `size=${temporaryKib}k`;
  return [
    mount('/proc', 'proc', ['nosuid', 'noexec', 'nodev']),
    mount('/dev', 'tmpfs', ['nosuid', 'noexec', 'mode=755', 'size=64k']),
    mount('/dev/shm', 'tmpfs', ['nosuid', 'noexec', 'nodev', 'mode=1777', size]),
    mount('/tmp', 'tmpfs', ['nosuid', 'nodev', 'mode=1777', size]),
  ];
}

function mount(destination: string, type: string, options: readonly string[]): Mount {
  return { destination, type, source: type, options };
}
