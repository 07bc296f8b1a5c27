// SPDX-License-Identifier: Apache-2.0
// The process of one VM: start, its console and complaints, its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import { BoundedLog } from '../logs/bounded-log.js';
import type { VmmBinary } from './vmm-binary.js';

/** Descriptors of the memory files inside QEMU: the first behind stdio. */
export const MEMORY_FDS = [3, 4] as const;

const COMPLAINT_BYTES = 4096;

/** One arena of the C heap: each of QEMU's threads would keep free pages in one of its own. */
export function vmmEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', MALLOC_ARENA_MAX: '1' };
}

export class QemuProcess {
  readonly pid: number;
  /** Fulfilled when the process is gone, with what it had to say. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #alive = true;

  private constructor(child: ChildProcess, pid: number, console: BoundedLog) {
    this.#child = child;
    this.pid = pid;
    let complaint = '';
    child.stdout?.on('data', (data: Uint8Array) => console.append(data));
    child.stderr?.on('data', (data: Uint8Array) => {
      complaint = (complaint + Buffer.from(data).toString('utf8')).slice(-COMPLAINT_BYTES);
    });
    this.ended = new Promise((resolve) => {
      // 'close' comes when stdio is drained too, so that no complaint is missed.
      child.on('close', (code, signal) => {
        this.#alive = false;
        console.end();
        const how = signal === null ? `with status ${code}` : `by ${signal}`;
        const lines = complaint.trim().split('\n');
        const last = lines.findLast((line) => !line.includes(': warning: ')) ?? '';
        resolve(last === '' ? how : `${how}: ${last}`);
      });
    });
  }

  /** The console goes to a bounded file. Rejects when the binary does not start at all. */
  static async start(options: {
    vmm: VmmBinary;
    args: readonly string[];
    memoryFds: readonly [number, number];
    consolePath: string;
  }): Promise<QemuProcess> {
    const { vmm } = options;
    const child = spawn(vmm.path, [...vmm.leadingArguments, ...options.args], {
      stdio: ['ignore', 'pipe', 'pipe', ...options.memoryFds],
      env: vmmEnvironment(),
      cwd: '/',
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(
          new CzoneError('FAILED_PRECONDITION', `QEMU ${vmm.path} does not start`, {
            cause: error,
          }),
        ),
      );
    });
    if (child.pid === undefined) throw new CzoneError('INTERNAL', 'QEMU has no process id');
    const console = new BoundedLog(options.consolePath, LIMITS.consoleBytes);
    return new QemuProcess(child, child.pid, console);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** SIGKILL, and waits for the end. Only ever our own child, so no id is mistaken. */
  async kill(): Promise<void> {
    if (this.#alive) this.#child.kill('SIGKILL');
    await this.endedWithin(LIMITS.vmmKillMs);
  }

  async endedWithin(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const inTime = await Promise.race([this.ended.then(() => true as const), late]);
    clearTimeout(timer);
    return inTime;
  }
}
