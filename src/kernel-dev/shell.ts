// SPDX-License-Identifier: Apache-2.0
// A root shell, or one command, in a VM of a kernel: the product's root file
// system, and the selftests on a second disk.
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHECKOUT } from '../artifacts/ensure.js';
import { CzoneError } from '../protocol/errors.js';
import { SELFTEST_MEMORY } from './selftests.js';
import { type Clock, runVm, runVmHere, type Vm, type VmEnd } from './vm.js';

export interface Shell {
  readonly qemuPath: string;
  readonly kernelPath: string;
  /** erofs. */
  readonly rootfsPath: string;
  readonly testsDir: string;
  readonly poweroffPath: string;
  /** For the stty of the guest; null: no terminal. */
  readonly terminal: { readonly rows: number; readonly columns: number } | null;
  readonly regionMib: number;
  readonly clock: Clock;
}

/** Answers with QEMU's status. */
export async function runShell(shell: Shell): Promise<number | null> {
  const { rows, columns } = shell.terminal ?? {};
  const words = rows === undefined ? [] : [`CZONE_TTY=${rows}x${columns}`];
  return withDisk(shell, null, (disk) => runVmHere(shellVm(shell, disk, ['quiet', ...words])));
}

export interface CommandEnd {
  /** Of the command. */
  readonly status: number;
  readonly output: string;
  readonly log: string;
}

/** `command`: a script for bash. */
export async function runCommand(
  shell: Shell,
  command: string,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<CommandEnd> {
  const end = await withDisk(shell, command, (disk) =>
    runVm(shellVm(shell, disk, []), { timeoutMs, signal }),
  );
  return commandEnd(end);
}

function commandEnd({ output, log, timedOut, stderr }: VmEnd): CommandEnd {
  const match = /\nstatus (\d{1,3})\r?\n$/.exec(output);
  if (match !== null) {
    return { status: Number(match[1]), output: output.slice(0, match.index), log };
  }
  const why = timedOut ? 'it took too long' : stderr.trim() || 'the VM ended before';
  const last = log.trimEnd().split('\n').slice(-20).join('\n  ');
  throw new CzoneError(
    timedOut ? 'DEADLINE_EXCEEDED' : 'FAILED_PRECONDITION',
    `the command did not come to its end: ${why}; the kernel's log ends:\n  ${last}`,
  );
}

function shellVm(shell: Shell, disk: string, append: readonly string[]): Vm {
  return {
    bootMib: SELFTEST_MEMORY.bootMib,
    regionMib: shell.regionMib,
    qemuPath: shell.qemuPath,
    kernelPath: shell.kernelPath,
    initramfsPath: null,
    disks: [shell.rootfsPath, disk],
    append: [
      ...['root=/dev/vda', 'rootfstype=erofs', 'ro', ...append],
      'init=/bin/bash -- -c "mount -r -t erofs /dev/vdb /root && exec /root/init"',
    ],
    clock: shell.clock,
  };
}

async function withDisk<T>(
  shell: Shell,
  command: string | null,
  use: (disk: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'czone-shell-'));
  try {
    const content = join(directory, 'content');
    const disk = join(directory, 'disk.erofs');
    await mkdir(content);
    await copyFile(join(CHECKOUT, 'vm-images/kernel-shell/init'), join(content, 'init'));
    await copyFile(shell.poweroffPath, join(content, 'poweroff'));
    await cp(shell.testsDir, join(content, 'tests'), { recursive: true, force: true });
    if (command !== null) await writeFile(join(content, 'command'), `${command}\n`);
    await promisify(execFile)('mkfs.erofs', ['--quiet', '-T0', disk, content]);
    return await use(disk);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
