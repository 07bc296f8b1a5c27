// SPDX-License-Identifier: Apache-2.0
// A read-only image file as a block device's source. The guest caches what it reads,
// so the host should not: its copy would be on the bill of the VM a second time.
import { constants, open } from 'node:fs/promises';

/** For -blockdev and blockdev-add. */
export function blockNode(nodeName: string, path: string, direct: boolean) {
  return {
    driver: 'raw',
    'node-name': nodeName,
    'read-only': true,
    file: { driver: 'file', filename: path, 'read-only': true, cache: { direct } },
  };
}

/** Whether its file system reads past the page cache; tmpfs, for one, may not. */
export async function readsDirectly(path: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}
