// SPDX-License-Identifier: Apache-2.0
// Boots a kernel with the selftests' initramfs and gives back what it printed.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Boot {
  readonly qemuPath: string;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly bootMib: number;
  readonly regionMib: number;
  readonly timeoutMs: number;
  /** Picks the programs whose name has this in it. */
  readonly only?: string | undefined;
}

export interface BootResult {
  /** What the tests printed. */
  readonly ktap: string;
  /** What the kernel printed. */
  readonly log: string;
  readonly timedOut: boolean;
  /** Of QEMU; null when it was killed. */
  readonly status: number | null;
  readonly stderr: string;
}

// Software emulation on purpose: the same on every machine, and the tests ask
// for correctness, not for speed.
function argumentsOf(boot: Boot, directory: string): string[] {
  const append = [
    'console=ttyS0',
    'ktap=ttyS1',
    `czone_region=${boot.regionMib}M@0x100000000`,
    'swiotlb=noforce',
    ...(boot.only ? [`only=${boot.only}`] : []),
  ];
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2'],
    ...['-machine', `q35,max-ram-below-4g=${boot.bootMib}M`],
    ...['-m', `${boot.bootMib + boot.regionMib}M`],
    ...['-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-serial', `file:${join(directory, 'log')}`, '-serial', `file:${join(directory, 'ktap')}`],
    ...['-kernel', boot.kernelPath, '-initrd', boot.initramfsPath],
    ...['-append', append.join(' ')],
  ];
}

export async function bootSelftests(boot: Boot): Promise<BootResult> {
  const directory = await mkdtemp(join(tmpdir(), 'czone-selftest-'));
  try {
    const child = spawn(boot.qemuPath, argumentsOf(boot, directory), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const endWithUs = () => child.kill('SIGKILL');
    process.once('exit', endWithUs);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-4096);
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, boot.timeoutMs);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    }).finally(() => {
      clearTimeout(timer);
      process.off('exit', endWithUs);
    });
    const text = (name: string) => readFile(join(directory, name), 'latin1').catch(() => '');
    return { ktap: await text('ktap'), log: await text('log'), timedOut, status, stderr };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
