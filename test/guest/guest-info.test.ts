// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { parseMeminfo, readGuestInfo } from '../../src/guest/guest-info.js';

t.test('reads meminfo, and nothing for what the kernel does not tell', async (t) => {
  const text =
    'MemTotal:         239524 kB\nMemFree:          100 kB\nMemAvailable:  200 kB\nSlab: 8 kB\n';
  t.strictSame(parseMeminfo(text), {
    totalBytes: 239524n * 1024n,
    availableBytes: 200n * 1024n,
    slabBytes: 8n * 1024n,
    percpuBytes: 0n,
    freeBytes: 100n * 1024n,
  });
});

t.test('tells kernel, boot and daemon', async (t) => {
  const proc = t.testdir({
    meminfo: '',
    sys: { kernel: { osrelease: '6.12.0-czone\n', random: { boot_id: 'abc\n' } } },
  });
  t.match(await readGuestInfo(proc, { version: '1.2.3', instanceId: 'i' }), {
    daemonVersion: '1.2.3',
    kernelRelease: '6.12.0-czone',
    bootId: 'abc',
    instanceId: 'i',
  });
});
