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
  const upper = `${overlay.scratch}/upper`;
  const work = `${overlay.scratch}/work`;
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
      number: MS.nosuid | MS.nodev,
      data: `lowerdir=${overlay.lower},upperdir=${upper},workdir=${work}`,
    },
    // Before the rest, so that a link in the image leads nowhere else.
    { act: 'pivot', path: root },
    ...config.mounts.flatMap(({ destination, type, source, options }): SandboxStep[] => [
      { act: 'mkdir', path: destination, number: 0o755 },
      { act: 'mount', source, path: destination, type, ...mountOptions(type, options) },
    ]),
    ...DEVICES.map(
      ([name, major, minor]): SandboxStep => ({
        act: 'device',
        path: `/dev/${name}`,
        number: S_IFCHR | 0o666,
        device: (major << 8) | minor,
      }),
    ),
    ...DEVICE_LINKS.map(
      ([source, name]): SandboxStep => ({ act: 'symlink', source, path: `/dev/${name}` }),
    ),
    ...config.linux.readonlyPaths.map((path): SandboxStep => ({ act: 'readOnly', path })),
    ...config.linux.maskedPaths.map((path): SandboxStep => ({ act: 'mask', path })),
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
