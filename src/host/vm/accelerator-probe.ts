// SPDX-License-Identifier: Apache-2.0
// The trial VM that shows whether KVM runs guests: 512 bytes of boot sector that
// leave by the isa-debug-exit device. The answer is kept until the next boot.
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LIMITS } from '../limits.js';
import type { VmmBinary } from './vmm-binary.js';

const EXIT_PORT = 0xf4;
const EXIT_VALUE = 0x21;

/** mov dx, port; mov al, value; out dx, al; hlt; jmp -3 */
function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  Buffer.from([0xba, EXIT_PORT, 0x00, 0xb0, EXIT_VALUE, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** `cacheFile` holds the boot's id and the answer; empty: nothing went wrong. */
export async function probeKvm(vmm: VmmBinary, cacheFile: string): Promise<string | null> {
  const bootId = (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const key = `${bootId} ${vmm.path}`;
  const cached = await fs.readFile(cacheFile, 'utf8').catch(() => '');
  const [cachedKey, cachedAnswer] = cached.split('\n');
  if (cachedKey === key) return cachedAnswer === '' ? null : (cachedAnswer ?? null);
  const answer = await runProbe(vmm);
  await fs.writeFile(cacheFile, `${key}\n${answer ?? ''}\n`, { mode: 0o600 }).catch(() => {});
  return answer;
}

async function runProbe(vmm: VmmBinary): Promise<string | null> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'czone-probe-'));
  try {
    const disk = path.join(directory, 'disk');
    await fs.writeFile(disk, bootSector());
    const args = [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-m', '16M'],
      ...['-machine', 'q35', '-accel', 'kvm', '-cpu', 'host'],
      ...['-drive', `file=${disk},format=raw,if=ide,readonly=on,snapshot=on`],
      ...['-device', `isa-debug-exit,iobase=0x${EXIT_PORT.toString(16)},iosize=0x1`],
    ];
    return await new Promise((resolve) => {
      const options = { timeout: LIMITS.probeMs, killSignal: 'SIGKILL' as const };
      execFile(vmm.path, [...vmm.leadingArguments, ...args], options, (error, _out, stderr) => {
        // isa-debug-exit ends QEMU with (value << 1) | 1.
        const status = error?.code;
        if (status === (((EXIT_VALUE << 1) | 1) & 0xff)) resolve(null);
        else if (error?.killed === true) resolve(`it hung for ${LIMITS.probeMs / 1000} s`);
        else resolve(stderr.trim().split('\n').at(-1) || `it ended with status ${status ?? 0}`);
      });
    });
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
}
