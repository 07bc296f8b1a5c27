// SPDX-License-Identifier: Apache-2.0
// Which artifacts a node runs with; the others are for tests, or parts of these.

export function isNeeded(name: string): boolean {
  return name !== 'kernel-debug' && name !== 'rootfs-base' && !/\bbench\b/.test(name);
}
