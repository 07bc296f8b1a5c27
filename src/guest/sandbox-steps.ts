// SPDX-License-Identifier: Apache-2.0
// What the helper of a zygote's child does, in order, so that its sandbox is what crun
// would make of the same configuration. Pure. test/vm/zygote.test.ts compares the two.

import { GATEWAY } from './network.js';
import { containerMounts, MASKED_PATHS, READ_ONLY_PATHS } from './oci-config.js';
import type { ContainerSpec } from './request.js';
import { encodeSteps, OUTSIDE, type SandboxFailure, type SandboxStep } from './sandbox-request.js';

/** sys/mount.h */
const MS = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
} as const;

const S_IFCHR = 0o020000;
/** The devices that the OCI specification promises, with their numbers. */
const DEVICES = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
] as const;
const DEVICE_LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['/proc/kcore', 'core'],
  ['pts/ptmx', 'ptmx'],
] as const;

/**
 * The same in every container, whose mounts are there and whose root, not yet that of the
 * process, is the working directory: what is masked is masked by the VM's /dev/null.
 */
export const COMMON_STEPS: readonly SandboxStep[] = [
  ...DEVICES.map(
    ([name, major, minor]): SandboxStep => ({
      act: 'device',
      path: `dev/${name}`,
      number: S_IFCHR | 0o666,
      device: (major << 8) | minor,
    }),
  ),
  ...DEVICE_LINKS.map(
    ([source, name]): SandboxStep => ({ act: 'symlink', source, path: `dev/${name}` }),
  ),
  ...MASKED_PATHS.map((path): SandboxStep => ({ act: 'mask', path: within(path) })),
  ...READ_ONLY_PATHS.map((path): SandboxStep => ({ act: 'readOnly', path: within(path) })),
];

/** A start has no time to lose. */
const ENCODED_COMMON_STEPS = encodeSteps(COMMON_STEPS);

export interface SandboxParts {
  readonly spec: Pick<
    ContainerSpec,
    'memoryBytes' | 'uid' | 'gid' | 'hostname' | 'workingDirectory' | 'address'
  >;
  /** Image, scratch tmpfs and the overlay's place. */
  readonly lower: string;
  readonly scratch: string;
  readonly root: string;
}

export interface SandboxSteps {
  /** Before COMMON_STEPS. */
  readonly own: readonly SandboxStep[];
  /** After them. */
  readonly last: readonly SandboxStep[];
}

export function sandboxSteps({ spec, lower, scratch, root }: SandboxParts): SandboxSteps {
  const upper = `${scratch}/upper`;
  const work = `${scratch}/work`;
  return {
    own: [
      { act: 'address', source: spec.address, data: GATEWAY },
      {
        act: 'mount',
        source: 'tmpfs',
        path: scratch,
        type: 'tmpfs',
        number: MS.nosuid | MS.nodev,
        data: `mode=0755,size=${spec.memoryBytes}`,
      },
      { act: 'mkdir', path: upper, number: 0o755 },
      { act: 'mkdir', path: work, number: 0o700 },
      {
        act: 'mount',
        source: 'overlay',
        path: root,
        type: 'overlay',
        number: 0,
        data: `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
      },
      { act: 'chdir', path: root },
      ...containerMounts(spec.memoryBytes).flatMap(
        ({ destination, type, source, options }): SandboxStep[] => {
          const path = within(destination);
          return [
            { act: 'mkdir', path, number: 0o755 },
            { act: 'mount', source, path, type, ...mountOptions(type, options) },
          ];
        },
      ),
    ],
    last: [
      // crun gives it to the user, whose standard input it is.
      { act: 'own', path: 'dev/null', number: spec.uid, device: spec.gid },
      { act: 'pivot', path: root },
      { act: 'hostname', source: spec.hostname },
      { act: 'chdir', path: spec.workingDirectory },
    ],
  };
}

export function encodeSandbox({ own, last }: SandboxSteps): string {
  return encodeSteps(own) + ENCODED_COMMON_STEPS + encodeSteps(last);
}

/** The step that failed, and how. */
export function describeFailure(
  { step, code }: SandboxFailure,
  { own, last }: SandboxSteps,
): string {
  const failed = [...own, ...COMMON_STEPS, ...last][step];
  const subject = failed !== undefined && 'path' in failed ? ` ${failed.path}` : '';
  const what = failed === undefined ? OUTSIDE_NAMES.get(step) : `${failed.act}${subject}`;
  return `${what ?? `step ${step}`} (${code})`;
}

const OUTSIDE_NAMES = new Map<number, string>([
  [OUTSIDE.unshare, 'unshare'],
  [OUTSIDE.network, 'the network'],
  [OUTSIDE.handOver, 'handing it to the zone'],
  [OUTSIDE.fork, 'its helper’s fork'],
  [OUTSIDE.killed, 'its helper'],
  [OUTSIDE.lost, 'the sandbox maker'],
]);

/** From the root, where one is. A link there would lead out: a mount's place is none. */
function within(path: string): string {
  return path.slice(1);
}

function mountOptions(type: string, options: readonly string[]): { number: number; data?: string } {
  let number = 0;
  const data: string[] = [];
  for (const option of options) {
    if (option in MS) number |= MS[option as keyof typeof MS];
    else data.push(option);
  }
  // Of the namespace that the helper has made and that nobody is in yet.
  if (type === 'proc') data.push('pidns=children');
  return data.length === 0 ? { number } : { number, data: data.join(',') };
}
