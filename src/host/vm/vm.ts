// SPDX-License-Identifier: Apache-2.0
// One running QEMU: its process, memory file, monitor, device and disks. What state
// it is in (vm-state.ts) is the sandbox's to say.
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import { CzoneError } from '../../protocol/errors.js';
import type { SandboxId, TenantId } from '../../protocol/ids.js';
import type { HostAddon } from '../device/native.js';
import { LIMITS } from '../limits.js';
import { processTable } from '../state/processes.js';
import { RECORD_VERSION, writeRecord } from '../state/records.js';
import type { VmPaths } from '../state/run-dir.js';
import { readsDirectly } from './block-node.js';
import { qemuArguments } from './command-line.js';
import { MemoryFile } from './memory-file.js';
import { connectMonitor } from './monitor.js';
import type { PageSize } from './page-size.js';
import { MEMORY_FDS, QemuProcess } from './qemu-process.js';
import type { QmpClient } from './qmp.js';
import type { VmmBinary } from './vmm-binary.js';

export interface VmOptions {
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly paths: VmPaths;
  readonly addon: HostAddon;
  readonly vmm: VmmBinary;
  readonly accelerator: 'kvm' | 'tcg';
  readonly pageSize: PageSize;
  readonly vcpus: number;
  readonly translationBytes: number;
  readonly bootMemoryBytes: number;
  readonly regionBytes: number;
  readonly kernelPath: string;
  readonly rootfsPath: string;
  readonly debugShell: boolean;
}

export class Vm {
  readonly memory: MemoryFile;
  readonly process: QemuProcess;
  readonly qmp: QmpClient;
  readonly #paths: VmPaths;

  private constructor(memory: MemoryFile, process: QemuProcess, qmp: QmpClient, paths: VmPaths) {
    this.memory = memory;
    this.process = process;
    this.qmp = qmp;
    this.#paths = paths;
  }

  /** Starts QEMU and connects to its monitor. On an error nothing is left. */
  static async start(options: VmOptions): Promise<Vm> {
    const { paths, sandboxId } = options;
    await fs.mkdir(paths.directory, { recursive: true, mode: 0o700 });
    let memory: MemoryFile | null = null;
    let qemu: QemuProcess | null = null;
    try {
      memory = new MemoryFile(options.addon, {
        name: `czone-${sandboxId}`,
        bootMemoryBytes: options.bootMemoryBytes,
        regionBytes: options.regionBytes,
        pageSize: options.pageSize,
      });
      qemu = await startProcess(options, memory);
      const qmp = await connect(qemu, paths.qmpSocket);
      return new Vm(memory, qemu, qmp, paths);
    } catch (error) {
      await qemu?.kill();
      memory?.close();
      await fs.rm(paths.directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** The last lines of the guest's console, for an error message. */
  async consoleTail(): Promise<string> {
    const text = await fs.readFile(this.#paths.console, 'latin1').catch(() => '');
    const lines = text
      .replaceAll(/[^\x20-\x7e\n]+/g, '')
      .trim()
      .split('\n');
    // What a panic says first tells more than the trace behind it.
    const panic = lines.findLastIndex((line) => line.includes('Kernel panic'));
    const kept = panic === -1 ? lines.slice(-5) : lines.slice(panic, panic + 2);
    return kept.join(' | ').slice(-600);
  }

  /** Ends QEMU, in order if it is willing. */
  async quit(): Promise<void> {
    if (this.process.alive) {
      await this.qmp.command('quit', {}, LIMITS.vmmQuitMs).catch(() => {});
      if (!(await this.process.endedWithin(LIMITS.vmmQuitMs))) await this.process.kill();
    }
    this.qmp.close();
  }

  /** After the end of QEMU: gives the memory back and removes the files. */
  async dispose(): Promise<void> {
    this.qmp.close();
    this.memory.close();
    await fs.rm(this.#paths.directory, { recursive: true, force: true });
  }
}

async function startProcess(options: VmOptions, memory: MemoryFile): Promise<QemuProcess> {
  const { paths, sandboxId, tenantId, vmm } = options;
  const uuid = randomUUID();
  const record = { version: RECORD_VERSION, sandboxId, tenantId, uuid } as const;
  // Before the start, so that a node that dies right now is cleaned up too.
  await writeRecord(paths.record, { ...record, pid: null, startTime: null });
  const qemu = await QemuProcess.start({
    vmm,
    memoryFds: memory.fds,
    consolePath: paths.console,
    args: qemuArguments({
      accelerator: options.accelerator,
      vmName: `czone-${sandboxId}`,
      uuid,
      vcpus: options.vcpus,
      translationBytes: options.translationBytes,
      bootMemoryBytes: options.bootMemoryBytes,
      regionBytes: options.regionBytes,
      memoryFds: MEMORY_FDS,
      pageSize: options.pageSize,
      kernelPath: options.kernelPath,
      rootfsPath: options.rootfsPath,
      rootfsDirect: await readsDirectly(options.rootfsPath),
      qmpSocketPath: paths.qmpSocket,
      agentSocketPath: paths.agentSocket,
      shellSocketPath: options.debugShell ? paths.shellSocket : null,
      imageSlots: LIMITS.imageSlots,
      exitWithParent: true,
    }),
  });
  const startTime = await processTable().startTime(qemu.pid);
  await writeRecord(paths.record, { ...record, pid: qemu.pid, startTime });
  return qemu;
}

function connect(qemu: QemuProcess, socketPath: string): Promise<QmpClient> {
  return connectMonitor(socketPath, async () => {
    if (!qemu.alive) {
      throw new CzoneError('FAILED_PRECONDITION', `QEMU ended ${await qemu.ended}`);
    }
  });
}
