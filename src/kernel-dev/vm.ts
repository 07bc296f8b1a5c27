// SPDX-License-Identifier: Apache-2.0
// A bare VM for a kernel under development: two serial lines, no network, no
// device of ours; zones are plugged by ioctls. Runs to its own end, or to a limit.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CzoneError, messageOf } from '../protocol/errors.js';

export interface Vm {
  readonly qemuPath: string;
  readonly kernelPath: string;
  readonly initramfsPath: string | null;
  /** Read-only disks, /dev/vda and on. */
  readonly disks: readonly string[];
  /** Words of the kernel's command line. */
  readonly append: readonly string[];
  readonly bootMib: number;
  readonly regionMib: number;
  readonly clock: Clock;
}

/**
 * real: two processors, emulated in parallel. instructions: one, whose clocks
 * advance by 1 ns with each instruction, so that a difference of rdtsc counts
 * instructions.
 */
export type Clock = 'real' | 'instructions';

export interface VmEnd {
  /** What came over the first line: the kernel's log. */
  readonly log: string;
  /** What came over the second: the output of tests. */
  readonly output: string;
  readonly timedOut: boolean;
  /** Of QEMU; null when it was killed. */
  readonly status: number | null;
  readonly stderr: string;
}

export interface Watch {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Whole lines, soon after they came. */
  readonly onLog?: (line: string) => void;
  readonly onOutput?: (line: string) => void;
}

/** Zones begin here, above the boot memory; a section of the memory map's. */
const REGION_START = 0x1_0000_0000;
const POLL_MS = 100;

const CLOCK_ARGUMENTS: Readonly<Record<Clock, readonly string[]>> = {
  real: ['-accel', 'tcg,thread=multi', '-smp', '2', '-cpu', 'max'],
  // With erms and fsrm, clearing a page counts thousands of instructions of the
  // emulator's making (measured: 3400 more), which would hide the fault beside it.
  instructions: [
    ...['-accel', 'tcg,thread=single', '-smp', '1', '-cpu', 'max,-erms,-fsrm'],
    ...['-icount', 'shift=0,sleep=off'],
  ],
};

/** `serial`: where the two serial lines go. */
export function vmArguments(vm: Vm, serial: readonly [log: string, output: string]): string[] {
  const append = [
    'console=ttyS0',
    `czone_region=${vm.regionMib}M@0x${REGION_START.toString(16)}`,
    'swiotlb=noforce',
    ...vm.append,
  ];
  return [
    ...CLOCK_ARGUMENTS[vm.clock],
    ...['-machine', `q35,max-ram-below-4g=${vm.bootMib}M`],
    ...['-m', `${vm.bootMib + vm.regionMib}M`],
    ...['-nodefaults', '-display', 'none', '-no-reboot'],
    ...serial.flatMap((to) => ['-serial', to]),
    ...vm.disks.flatMap((path) => ['-drive', `file=${path},format=raw,if=virtio,readonly=on`]),
    ...['-kernel', vm.kernelPath],
    ...(vm.initramfsPath === null ? [] : ['-initrd', vm.initramfsPath]),
    ...['-append', append.join(' ')],
  ];
}

/** Ends with the process. ABORTED when `watch.signal` ended it. */
export async function runVm(vm: Vm, watch: Watch): Promise<VmEnd> {
  const directory = await mkdtemp(join(tmpdir(), 'czone-kernel-'));
  try {
    const files = ['log', 'output'].map((name) => join(directory, name));
    const [logFile = '', outputFile = ''] = files;
    const child = spawn(vm.qemuPath, vmArguments(vm, [`file:${logFile}`, `file:${outputFile}`]), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-4096);
    });
    const log = new Tail(logFile, watch.onLog);
    const output = new Tail(outputFile, watch.onOutput);
    const poll = setInterval(() => void Promise.all([log.read(), output.read()]), POLL_MS);
    try {
      const end = await ended(child, watch);
      clearInterval(poll);
      return { log: await log.end(), output: await output.end(), ...end, stderr };
    } finally {
      clearInterval(poll);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** With this terminal as the first serial line. Answers with QEMU's status. */
export async function runVmHere(vm: Vm): Promise<number | null> {
  const child = spawn(vm.qemuPath, [...vmArguments(vm, ['mon:stdio', 'null'])], {
    stdio: 'inherit',
  });
  return (await ended(child, { timeoutMs: null })).status;
}

async function ended(
  child: ChildProcess,
  { timeoutMs, signal }: { timeoutMs: number | null; signal?: AbortSignal },
): Promise<{ timedOut: boolean; status: number | null }> {
  let timedOut = false;
  const kill = () => child.kill('SIGKILL');
  const late = () => {
    timedOut = true;
    kill();
  };
  const timer = timeoutMs === null ? undefined : setTimeout(late, timeoutMs);
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  if (signal?.aborted) kill();
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (signal?.aborted) throw new CzoneError('ABORTED', 'the VM was ended');
    return { timedOut, status };
  } catch (error) {
    if (error instanceof CzoneError) throw error;
    throw new CzoneError('FAILED_PRECONDITION', `QEMU cannot be run: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    process.off('exit', kill);
    signal?.removeEventListener('abort', kill);
  }
}

/** A file that grows, line by line. */
class Tail {
  readonly #path: string;
  readonly #onLine: (line: string) => void;
  #text = '';
  #told = 0;
  #bytes = 0;
  /** One read at a time. */
  #reading: Promise<void> = Promise.resolve();

  constructor(path: string, onLine: ((line: string) => void) | undefined) {
    this.#path = path;
    this.#onLine = onLine ?? (() => {});
  }

  read(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#readOn());
    return this.#reading;
  }

  /** All of it. */
  async end(): Promise<string> {
    await this.read();
    if (this.#told < this.#text.length) this.#onLine(this.#text.slice(this.#told));
    return this.#text;
  }

  async #readOn(): Promise<void> {
    const file = await open(this.#path).catch(() => null);
    if (file === null) return;
    try {
      const { size } = await file.stat();
      if (size <= this.#bytes) return;
      const buffer = Buffer.alloc(size - this.#bytes);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#bytes);
      this.#bytes += bytesRead;
      this.#text += buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
    for (;;) {
      const at = this.#text.indexOf('\n', this.#told);
      if (at < 0) return;
      this.#onLine(this.#text.slice(this.#told, at).trimEnd());
      this.#told = at + 1;
    }
  }
}
