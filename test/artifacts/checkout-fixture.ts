// SPDX-License-Identifier: Apache-2.0
// A checkout in small, whose build of QEMU is whatever a test says
// and whose build of a kernel takes for ever.
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Test } from 'tap';

export const GOOD_SCRIPT = `#!/bin/sh
echo 'progress 0/2 first'
echo x >>"$CZONE_CACHE_DIR/calls"
mkdir -p "$1/bin"
echo 'progress 1/2 second'
for file in qemu-system-x86_64 bin/qemu-system-x86_64 version; do echo "$file" >"$1/$file"; done
echo 'progress 2/2 done'
`;

export interface Fixture {
  readonly checkout: string;
  readonly cacheDir: string;
  setScript(text: string): Promise<void>;
  setKernelScript(text: string): Promise<void>;
  /** Names in the cache but for locks and logs, sorted. */
  entries(): Promise<string[]>;
}

export async function checkoutWith(t: Test, script: string): Promise<Fixture> {
  const root = t.testdir({
    checkout: {
      'vm-images': {
        'qemu.sh': script,
        'kernel.sh': '#!/bin/sh\necho "progress 1/2 compile"\nexec sleep 600\n',
        'kernel-common.sh': '',
        'debian.sh': '',
        pins: { qemu: '' },
        functions: { html: { 'function.json': '{}' }, common: { 'serve.py': '' } },
      },
      'guest-kernel-patches': { BASE: '', 'kernel.config': '', 'bench.config': '', series: {} },
    },
    cache: {},
  });
  const checkout = join(root, 'checkout');
  const cacheDir = join(root, 'cache');
  const file = join(checkout, 'vm-images', 'qemu.sh');
  await chmod(file, 0o755);
  const kernelFile = join(checkout, 'vm-images', 'kernel.sh');
  await chmod(kernelFile, 0o755);
  return {
    checkout,
    cacheDir,
    setScript: (text) => writeFile(file, text),
    setKernelScript: (text) => writeFile(kernelFile, text),
    entries: async () =>
      (await readdir(cacheDir)).filter((name) => name !== 'locks' && name !== 'logs').sort(),
  };
}
