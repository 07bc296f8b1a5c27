// SPDX-License-Identifier: Apache-2.0
// One running VM with a single container: booted, or cloned from a template's state.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { connectMonitor } from '../../host/vm/monitor.js';
import { vmmEnvironment } from '../../host/vm/qemu-process.js';
import type { QmpClient } from '../../host/vm/qmp.js';
import { CzoneError } from '../../protocol/errors.js';
import { freePort } from './free-port.js';
import { type SoloShape, soloArguments } from './shape.js';

export interface SoloMachine {
  readonly qemuPath: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** See SoloShape. */
  readonly tscKhz: number;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly imagePath: string;
  readonly command: readonly string[];
  /** What is asked of the function: a path, for GET. */
  readonly requestPath: string;
  readonly signal: AbortSignal;
}

/** A boot takes seconds; under emulation on a busy machine, some tens of them. */
const READY_MS = 60_000;
const POLL_MS = 2;
/** Between two tries of which the first has no answer yet; longer than an answer takes. */
const TRY_MS = 250;
const TRIES_AT_ONCE = 20;
const MIGRATION_MS = 60_000;
const MigrationInfo = z.object({ status: z.string().optional() });

/** One listener for all of them: there may be 64. */
const running = new Set<ChildProcess>();

function killRunning(): void {
  for (const child of running) child.kill('SIGKILL');
}

export class SoloVm {
  readonly qmp: QmpClient;
  readonly pid: number;
  readonly endpoint: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #signal: AbortSignal;

  private constructor(
    child: ChildProcess,
    qmp: QmpClient,
    { directory, hostPort, signal }: { directory: string; hostPort: number; signal: AbortSignal },
  ) {
    this.#child = child;
    this.#directory = directory;
    this.#signal = signal;
    this.qmp = qmp;
    this.pid = child.pid ?? 0;
    this.endpoint = `http://127.0.0.1:${hostPort}`;
    if (running.size === 0) process.on('exit', killRunning);
    running.add(child);
  }

  /** Starts QEMU; the guest boots, or waits for a state. */
  static async launch(
    machine: SoloMachine,
    options: Pick<SoloShape, 'memory' | 'hold' | 'incoming' | 'translationMib'>,
  ): Promise<SoloVm> {
    machine.signal.throwIfAborted();
    const directory = await mkdtemp(join(tmpdir(), 'czone-solo-'));
    const path = (name: string) => join(directory, name);
    const hostPort = await freePort();
    const shape: SoloShape = {
      ...machine,
      ...options,
      hostPort,
      qmpSocketPath: path('qmp.sock'),
      portSocketPath: path('port.sock'),
      consolePath: path('console'),
    };
    const child = spawn(machine.qemuPath, soloArguments(shape), {
      stdio: ['ignore', 'ignore', 'pipe'],
      // As a node's VM has it.
      env: vmmEnvironment(),
    });
    let complaint = '';
    child.stderr?.on('data', (data: Buffer) => {
      complaint = (complaint + data.toString()).slice(-4096);
    });
    let ended = false;
    child.once('error', () => (ended = true));
    child.once('exit', () => (ended = true));
    try {
      const qmp = await connectMonitor(path('qmp.sock'), async () => {
        if (ended) throw new CzoneError('UNAVAILABLE', 'QEMU ended at once');
      });
      return new SoloVm(child, qmp, { directory, hostPort, signal: machine.signal });
    } catch (cause) {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
      const said = complaint.trim() || 'nothing';
      throw new CzoneError('UNAVAILABLE', `a VM did not start; QEMU said: ${said}`, { cause });
    }
  }

  /**
   * Until the function answers. QEMU takes connections for a guest that is not there
   * yet, and repeats their lost SYN only after seconds: so one is tried beside those
   * that are under way, and the first answer counts.
   */
  async firstResponse(requestPath: string): Promise<void> {
    const deadline = performance.now() + READY_MS;
    const answered = new AbortController();
    const leave = answered.signal;
    const answer = new Promise<void>((resolve) => leave.addEventListener('abort', () => resolve()));
    let underWay = 0;
    const tryOnce = async () => {
      underWay += 1;
      if (await answers(`${this.endpoint}${requestPath}`, leave)) answered.abort();
      underWay -= 1;
    };
    try {
      while (!leave.aborted) {
        this.#signal.throwIfAborted();
        if (performance.now() > deadline || this.#child.exitCode !== null) {
          throw new CzoneError('DEADLINE_EXCEEDED', await this.#silence());
        }
        const tries = underWay < TRIES_AT_ONCE ? [tryOnce()] : [];
        await Promise.race([answer, ...tries, delay(TRY_MS)]);
        // Refused at once: the guest is there, and its port will be soon.
        await Promise.race([answer, delay(POLL_MS)]);
      }
    } finally {
      answered.abort();
    }
  }

  async #silence(): Promise<string> {
    const console = await readFile(join(this.#directory, 'console'), 'latin1').catch(() => '');
    const last = console.trimEnd().split('\n').slice(-6).join('\n  ');
    return `the function did not answer:\n  ${last}`;
  }

  /** Until a guest that was told to hold does. */
  async held(): Promise<void> {
    const socket = createConnection(join(this.#directory, 'port.sock'));
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('data', () => resolve());
        socket.once('error', reject);
        setTimeout(() => reject(new Error('the guest did not hold')), READY_MS).unref();
      });
    } finally {
      socket.destroy();
    }
  }

  /** The word that a held guest waits for. */
  async letGo(): Promise<void> {
    const socket = createConnection(join(this.#directory, 'port.sock'));
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.write('go\n', () => resolve());
    });
    socket.unref();
  }

  /** Writes everything but the memory, which lies in its file. The guest is stopped. */
  async saveState(path: string): Promise<void> {
    await this.pause();
    await this.#ignoreShared();
    await this.qmp.command('migrate', { uri: `file:${path}` });
    await this.#migrated();
  }

  /** Takes a template's state over and runs. */
  async loadState(path: string): Promise<void> {
    await this.#ignoreShared();
    await this.qmp.command('migrate-incoming', { uri: `file:${path}` });
    await this.#migrated();
    await this.resume();
  }

  /** Its processor stands still, and its clock. */
  async pause(): Promise<void> {
    await this.qmp.command('stop');
  }

  async resume(): Promise<void> {
    await this.qmp.command('cont');
  }

  /** Its own bytes on the host, memory that is shared by a file left out. */
  ownBytes(): number {
    const rollup = readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8');
    const kib = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0);
    return (kib('Pss_Anon') + kib('Pss_File')) * 1024;
  }

  async end(): Promise<void> {
    this.qmp.close();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await gone;
    }
    running.delete(this.#child);
    if (running.size === 0) process.off('exit', killRunning);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #ignoreShared(): Promise<void> {
    await this.qmp.command('migrate-set-capabilities', {
      capabilities: [{ capability: 'x-ignore-shared', state: true }],
    });
  }

  async #migrated(): Promise<void> {
    const deadline = performance.now() + MIGRATION_MS;
    for (;;) {
      const { status } = MigrationInfo.parse(await this.qmp.command('query-migrate'));
      if (status === 'completed') return;
      if (status === 'failed' || performance.now() > deadline) {
        throw new CzoneError('INTERNAL', `the state of a template was not moved: ${status}`);
      }
      await delay(POLL_MS);
    }
  }
}

async function answers(url: string, leave: AbortSignal): Promise<boolean> {
  try {
    const signal = AbortSignal.any([leave, AbortSignal.timeout(2_000)]);
    const response = await fetch(url, { signal });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
