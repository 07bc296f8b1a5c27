// SPDX-License-Identifier: Apache-2.0
// One running VM of the bench: its memory files, QEMU, the monitor, the agent.
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostAddon } from '../../host/device/native.js';
import { connectMonitor } from '../../host/vm/monitor.js';
import { hugeMappedBytes } from '../../host/vm/page-size.js';
import type { QmpClient } from '../../host/vm/qmp.js';
import { CzoneError } from '../../protocol/errors.js';
import { Guest } from './guest.js';
import { pluggableBytes, qemuArguments, type VmShape } from './shape.js';

export interface Machine {
  readonly addon: HostAddon;
  readonly qemuPath: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** With the series and without; null: not built, for nobody asks for it. */
  readonly kernels: { readonly czone: string; readonly stock: string | null };
  readonly initramfsPath: string;
  readonly signal: AbortSignal;
}

export type Kernel = 'czone' | 'stock';

/** Behind stdio, as QEMU inherits them. */
const MEMORY_FDS = [3, 4] as const;
/** Clock ticks of /proc/PID/stat a second. */
const TICKS_A_SECOND = 100;

export class BenchVm {
  readonly shape: VmShape;
  readonly addon: HostAddon;
  readonly directory: string;
  readonly qmp: QmpClient;
  readonly guest: Guest;
  readonly #child: ChildProcess;
  readonly #fds: readonly number[];
  readonly #onAbort: () => void;
  readonly #signal: AbortSignal;

  private constructor(parts: {
    shape: VmShape;
    machine: Machine;
    directory: string;
    qmp: QmpClient;
    guest: Guest;
    child: ChildProcess;
    fds: readonly number[];
    onAbort: () => void;
  }) {
    this.shape = parts.shape;
    this.addon = parts.machine.addon;
    this.directory = parts.directory;
    this.qmp = parts.qmp;
    this.guest = parts.guest;
    this.#child = parts.child;
    this.#fds = parts.fds;
    this.#onAbort = parts.onAbort;
    this.#signal = parts.machine.signal;
  }

  /** Boots it, until the agent answers. On an error nothing is left. */
  static async start(machine: Machine, kernel: Kernel, shape: VmShape): Promise<BenchVm> {
    machine.signal.throwIfAborted();
    const kernelPath = machine.kernels[kernel];
    if (kernelPath === null) throw new CzoneError('INTERNAL', `the bench has no ${kernel} kernel`);
    const directory = await mkdtemp(join(tmpdir(), 'czone-bench-'));
    const path = (name: string) => join(directory, name);
    const fds = memoryFiles(machine.addon, shape);
    let child: ChildProcess | null = null;
    const kill = () => child?.kill('SIGKILL');
    try {
      if (shape.swapBytes > 0) await makeSwap(path('swap'), shape.swapBytes);
      const args = qemuArguments(shape, {
        kernelPath,
        initramfsPath: machine.initramfsPath,
        accelerator: machine.accelerator,
        memoryFds: MEMORY_FDS,
        qmpSocketPath: path('qmp.sock'),
        agentSocketPath: path('agent.sock'),
        consolePath: path('console'),
        swapPath: path('swap'),
      });
      const qemu = spawn(machine.qemuPath, args, { stdio: ['ignore', 'ignore', 'pipe', ...fds] });
      child = qemu;
      let complaint = '';
      qemu.stderr?.on('data', (data: Buffer) => {
        complaint = (complaint + data.toString()).slice(-4096);
      });
      let ended = false;
      qemu.on('error', () => (ended = true));
      qemu.on('exit', () => (ended = true));
      machine.signal.addEventListener('abort', kill, { once: true });
      process.once('exit', kill);
      try {
        const qmp = await connectMonitor(path('qmp.sock'), async () => {
          if (ended) throw new CzoneError('UNAVAILABLE', 'QEMU ended at once');
        });
        const guest = await Guest.connect(path('agent.sock'), () => !ended);
        return new BenchVm({ shape, machine, directory, qmp, guest, child, fds, onAbort: kill });
      } catch (error) {
        machine.signal.throwIfAborted();
        const console = await readFile(path('console'), 'latin1').catch(() => '');
        const last = console.trimEnd().split('\n').slice(-8).join('\n  ');
        throw new CzoneError(
          'FAILED_PRECONDITION',
          `the bench's VM did not come up; QEMU said: ${complaint.trim() || 'nothing'}; its console ends:\n  ${last}`,
          { cause: error },
        );
      }
    } catch (error) {
      kill();
      machine.signal.removeEventListener('abort', kill);
      process.off('exit', kill);
      for (const fd of fds) machine.addon.closeMemory(fd);
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What the host has allocated for the guest's memory. Cheap. */
  allocatedBytes(): number {
    return this.#fds.reduce((sum, fd) => sum + fstatSync(fd).blocks * 512, 0);
  }

  /** Of a range of what lies high, from its beginning. */
  allocatedHigh(offset: number, bytes: number): number {
    return this.addon.allocatedBytes(this.#fds[1] ?? -1, offset, bytes);
  }

  /** Of that, mapped by huge pages. */
  hugeBytes(): number {
    return hugeMappedBytes(readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8'));
  }

  /** Seconds of processor that the VM has taken, guest and VMM. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  }

  /** All of its processors stand still, and its clock. */
  async pause(): Promise<void> {
    await this.qmp.command('stop');
  }

  async resume(): Promise<void> {
    await this.qmp.command('cont');
  }

  console(): string {
    return readFileSync(join(this.directory, 'console'), 'latin1');
  }

  async end(): Promise<void> {
    this.guest.close();
    this.qmp.close();
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    this.#signal.removeEventListener('abort', this.#onAbort);
    process.off('exit', this.#onAbort);
    for (const fd of this.#fds) this.addon.closeMemory(fd);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What containers get may have huge pages; the rest is as a node has it. */
function memoryFiles(addon: HostAddon, shape: VmShape): number[] {
  const low = addon.createMemory('czone-bench', shape.lowBytes, false);
  const second = shape.highBytes + pluggableBytes(shape);
  const huge = shape.pageSize === '2MiB';
  return second === 0 ? [low] : [low, addon.createMemory('czone-bench', second, huge)];
}

/** A raw disk with the header that swapon looks for (Linux: union swap_header). */
async function makeSwap(path: string, bytes: number): Promise<void> {
  const page = 4096;
  const header = Buffer.alloc(page);
  header.writeUInt32LE(1, 1024);
  header.writeUInt32LE(bytes / page - 1, 1028);
  header.write('SWAPSPACE2', page - 10, 'latin1');
  await writeFile(path, header, { mode: 0o600 });
  await truncate(path, bytes);
}
