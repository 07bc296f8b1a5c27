// SPDX-License-Identifier: Apache-2.0
// What the helper of a zygote's child does, in order, so that its sandbox is what crun
// would make of the same configuration. Pure. test/vm/zygote.test.ts compares the two.

import type { SandboxStep } from './native.js';
import { GATEWAY } from './network.js';
import type { ociConfig } from './oci-config.js';

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

export interface SandboxParts {
  readonly config: ReturnType<typeof ociConfig>;
  /** Image, scratch tmpfs and the overlay's place. */
  readonly overlay: {
    readonly lower: string;
    readonly scratch: string;
    readonly root: string;
    readonly sizeBytes: number;
  };
  readonly address: string;
}

export function sandboxSteps({ config, overlay, address }: SandboxParts): SandboxStep[] {
  const { root } = overlay;
  const { uid, gid } = config.process.user;
  const upper = `${overlay.scratch}/upper`;
  const work = `${overlay.scratch}/work`;
  const within = (path: string) => `${root}${path}`;
  return [
    { act: 'address', source: address, data: GATEWAY },
    {
      act: 'mount',
      source: 'tmpfs',
      path: overlay.scratch,
      type: 'tmpfs',
      number: MS.nosuid | MS.nodev,
      data: `mode=0755,size=${overlay.sizeBytes}`,
    },
    { act: 'mkdir', path: upper, number: 0o755 },
    { act: 'mkdir', path: work, number: 0o700 },
    {
      act: 'mount',
      source: 'overlay',
      path: root,
      type: 'overlay',
      number: 0,
      data: `lowerdir=${overlay.lower},upperdir=${upper},workdir=${work}`,
    },
    ...config.mounts.flatMap(({ destination, type, source, options }): SandboxStep[] => [
      { act: 'mkdir', path: within(destination), number: 0o755 },
      { act: 'mount', source, path: within(destination), type, ...mountOptions(type, options) },
    ]),
    ...DEVICES.map(
      ([name, major, minor]): SandboxStep => ({
        act: 'device',
        path: within(`/dev/${name}`),
        number: S_IFCHR | 0o666,
        device: (major << 8) | minor,
      }),
    ),
    // crun gives it to the user, whose standard input it is.
    { act: 'own', path: within('/dev/null'), number: uid, device: gid },
    ...DEVICE_LINKS.map(
      ([source, name]): SandboxStep => ({ act: 'symlink', source, path: within(`/dev/${name}`) }),
    ),
    ...config.linux.maskedPaths.map((path): SandboxStep => ({ act: 'mask', path: within(path) })),
    ...config.linux.readonlyPaths.map(
      (path): SandboxStep => ({ act: 'readOnly', path: within(path) }),
    ),
    { act: 'pivot', path: root },
    { act: 'hostname', source: config.hostname },
    { act: 'chdir', path: config.process.cwd },
  ];
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
