// SPDX-License-Identifier: Apache-2.0
// One container, from its start to its end.
//
//   starting ──ready──> running <──pause/resume──> paused
//      │                   │                          │
//      └──failed──────┬────┴──stop, own end───────────┘
//                     v
//                 stopping ──nothing is left──> ended
//
// All moves are made here. Whatever moves it to stopping, the same tear-down
// follows, which takes away what there is; so a start that failed half-way leaves
// as little as a container that lived.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../protocol/errors.js';
import {
  type ContainerExit,
  ExitReason,
  type Stage,
} from '../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId, ZoneId } from '../protocol/ids.js';
import type { Bundle, Bundles } from './bundle.js';
import type { Cgroups, ContainerCgroup } from './cgroup.js';
import { CRUN_ENVIRONMENT, CRUN_PATH, crunRunArguments, forgetContainer } from './crun.js';
import type { Events } from './events.js';
import type { Images } from './images.js';
import { LogReader } from './log-reader.js';
import type { GuestAddon, WaitResult, ZoneInfo } from './native.js';
import type { Network } from './network.js';
import { ociConfig } from './oci-config.js';
import { findRuntimeOrphans, readKeptExit, readStartTime } from './process.js';
import type { untilPortAnswers } from './ready.js';
import type { ContainerSpec } from './request.js';

export type State = 'starting' | 'running' | 'paused' | 'stopping' | 'ended';

/** What containers are made of and told to. */
export interface Surroundings {
  readonly addon: GuestAddon;
  readonly network: Pick<Network, 'add' | 'remove' | 'namespacePath' | 'list'>;
  readonly cgroups: Pick<Cgroups, 'list'> & { of(id: ContainerId): ContainerCgroup };
  readonly images: Pick<Images, 'mount'>;
  readonly bundles: Pick<Bundles, 'of' | 'list'>;
  readonly events: Events;
  readonly untilPortAnswers: typeof untilPortAnswers;
  readonly procRoot: string;
  readonly crunStateRoot: string;
  /** Where the first process leaves the statuses of processes that it reaped. */
  readonly exitsDirectory: string;
  /** Tells of what went wrong and changes no answer. */
  readonly complain: (message: string) => void;
}

interface Process {
  readonly pid: number;
  readonly startTime: string | null;
  readonly ended: Promise<WaitResult>;
}

const STATUS_LOST: WaitResult = { exitCode: null, signal: null };
const SIGKILL = 9;
const KEPT_EXIT_WAIT_MS = 1000;
const KEPT_EXIT_POLL_MS = 20;

export class Container {
  readonly id: ContainerId;
  readonly zoneId: ZoneId;
  readonly address: string;
  /** Fulfilled when nothing is left of it. */
  readonly ended: Promise<ContainerExit>;
  readonly cgroup: ContainerCgroup;
  readonly #around: Surroundings;
  readonly #bundle: Bundle;
  readonly #release: () => void;
  readonly #ending = new AbortController();
  readonly #readers: LogReader[] = [];
  #resolveEnded!: (exit: ContainerExit) => void;
  #state: State = 'starting';
  #process: Process | null = null;
  #zoneFd: number | null = null;
  #stopAsked = false;
  #tearingDown = false;

  /** `release` is called when nothing of it is left, before anybody is told. */
  constructor(
    id: ContainerId,
    zoneId: ZoneId,
    address: string,
    around: Surroundings,
    release: () => void,
  ) {
    this.#release = release;
    this.id = id;
    this.zoneId = zoneId;
    this.address = address;
    this.#around = around;
    this.cgroup = around.cgroups.of(id);
    this.#bundle = around.bundles.of(id);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get state(): State {
    return this.#state;
  }

  /** 0: none yet. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  zoneInfo(): ZoneInfo {
    if (this.#zoneFd === null) throw this.#wrongState('inspected');
    return this.#around.addon.zoneInfo(this.#zoneFd);
  }

  /** Answers when its port does. On an error nothing of it is left. */
  async start(spec: ContainerSpec): Promise<Stage[]> {
    const stages: Stage[] = [];
    const mark = stopwatch(stages);
    try {
      await this.#prepare(spec, mark);
      await this.#create(spec, mark);
      await this.#whenReady(spec);
      mark('ready');
      return stages;
    } catch (error) {
      await this.#tearDown(STATUS_LOST);
      throw error;
    }
  }

  /** SIGTERM, after `graceMs` SIGKILL to all. Answers when nothing is left. */
  async stop(graceMs: number): Promise<ContainerExit> {
    this.#stopAsked = true;
    if (this.#state === 'running' || this.#state === 'paused') {
      // What is frozen would see no signal.
      await this.cgroup.thaw();
      if (graceMs > 0 && (await this.#signal('SIGTERM'))) {
        const grace = new AbortController();
        const timer = sleep(graceMs, undefined, { signal: grace.signal }).catch(() => {});
        await Promise.race([timer, this.#process?.ended]);
        grace.abort();
      }
    }
    this.#ending.abort();
    await this.cgroup.kill();
    return this.ended;
  }

  async pause(): Promise<void> {
    if (this.#state === 'paused') return;
    if (this.#state !== 'running') throw this.#wrongState('paused');
    await this.cgroup.freeze();
    if (this.#state === 'running') this.#state = 'paused';
  }

  async resume(): Promise<void> {
    if (this.#state === 'running') return;
    if (this.#state !== 'paused') throw this.#wrongState('resumed');
    await this.cgroup.thaw();
    if (this.#state === 'paused') this.#state = 'running';
  }

  /** Takes over what an earlier daemon has left: a live container, or its remains. */
  async adopt(frozen: boolean): Promise<void> {
    const known = (await this.#bundle.readState())?.process ?? null;
    try {
      this.#zoneFd = this.#around.addon.openZone(this.zoneId);
    } catch (error) {
      this.#around.complain(
        `Container ${this.id} is adopted without its zone: ${messageOf(error)}`,
      );
    }
    this.#readOutputs();
    if (known === null) {
      // It was being started; the host knows that this has failed.
      await this.#tearDown(STATUS_LOST);
      return;
    }
    const alive = (await readStartTime(this.#around.procRoot, known.pid)) === known.startTime;
    const ended = alive ? this.#watch(known.pid) : Promise.resolve(STATUS_LOST);
    this.#follow({ ...known, ended: ended.then((result) => this.#keptStatus(known, result)) });
    this.#state = frozen ? 'paused' : 'running';
  }

  async #prepare(spec: ContainerSpec, mark: (stage: string) => void): Promise<void> {
    const { network } = this.#around;
    await this.#bundle.writeState({ zoneId: this.zoneId, address: this.address, process: null });
    const config = ociConfig(spec, {
      rootPath: this.#bundle.rootPath,
      networkNamespace: network.namespacePath(this.id),
    });
    const attached = network.add(this.id, this.address);
    const others = [this.#bundle.create(config), this.cgroup.create(spec)];
    // All of them, before a failure of one is undone.
    const settled = Promise.allSettled([attached, ...others]);
    await attached.catch(() => {});
    mark('network');
    await settled;
    await Promise.all([attached, ...others]);
    mark('cgroup');
  }

  async #create(spec: ContainerSpec, mark: (stage: string) => void): Promise<void> {
    const { addon, images } = this.#around;
    const lower = await images.mount(spec.imageSerial);
    this.#zoneFd = this.#openZone();
    const outputs = await this.#bundle.openOutputs();
    const cgroupHandle = await this.cgroup.openDirectory();
    let crun: { pid: number; pidfd: number };
    try {
      this.#readOutputs();
      this.#ending.signal.throwIfAborted();
      crun = addon.spawnInZone({
        zoneFd: this.#zoneFd,
        cgroupFd: cgroupHandle.fd,
        path: CRUN_PATH,
        argv: crunRunArguments(this.#around.crunStateRoot, this.id, this.#bundle),
        env: CRUN_ENVIRONMENT,
        stdoutFd: outputs[0].fd,
        stderrFd: outputs[1].fd,
        overlay: {
          lower,
          scratch: this.#bundle.scratchPath,
          root: this.#bundle.rootPath,
          sizeBytes: spec.memoryBytes,
        },
      });
    } catch (error) {
      throw this.#spawnError(error);
    } finally {
      await Promise.all([cgroupHandle.close(), ...outputs.map((handle) => handle.close())]);
    }
    mark('spawn');
    const status = await addon.waitPidfd(crun.pidfd);
    const pid = await this.#bundle.readPid();
    for (const orphan of await findRuntimeOrphans(this.#around.procRoot, crun.pid, pid)) {
      void this.#watch(orphan);
    }
    if (status.exitCode !== 0 || pid === null) throw await this.#crunError(status);
    const startTime = await readStartTime(this.#around.procRoot, pid);
    this.#follow({ pid, startTime, ended: this.#watch(pid) });
    if (startTime !== null) {
      const process = { pid, startTime };
      await this.#bundle.writeState({ zoneId: this.zoneId, address: this.address, process });
    }
    mark('create');
  }

  async #whenReady(spec: ContainerSpec): Promise<void> {
    const timeout = AbortSignal.timeout(spec.readyTimeoutMs);
    const signal = AbortSignal.any([timeout, this.#ending.signal]);
    const answered = await this.#around.untilPortAnswers(this.address, spec.port, signal);
    if (this.#ending.signal.aborted) throw await this.#endedEarly();
    if (answered) {
      // At once, so that an end from here on is not taken for that of a start.
      this.#state = 'running';
      return;
    }
    throw new CzoneError(
      'DEADLINE_EXCEEDED',
      `Container ${this.id} did not answer at port ${spec.port} within ${spec.readyTimeoutMs} ms.${this.#said()}`,
    );
  }

  /** From here on its end is noticed, whoever brings it about. */
  #follow(process: Process): void {
    this.#process = process;
    void process.ended.then((result) => {
      this.#ending.abort();
      // A start that is under way tears down by itself.
      if (this.#state !== 'starting') void this.#tearDown(result);
    });
  }

  #watch(pid: number): Promise<WaitResult> {
    const { addon } = this.#around;
    try {
      return addon.waitPidfd(addon.pidfdOpen(pid));
    } catch {
      return Promise.resolve(STATUS_LOST);
    }
  }

  /** What the first process has noted, when it and not this daemon was the parent. */
  async #keptStatus(
    { pid, startTime }: { pid: number; startTime: string },
    result: WaitResult,
  ): Promise<WaitResult> {
    if (result.exitCode !== null || result.signal !== null) return result;
    for (let waitedMs = 0; waitedMs < KEPT_EXIT_WAIT_MS; waitedMs += KEPT_EXIT_POLL_MS) {
      const kept = await readKeptExit(this.#around.exitsDirectory, pid, startTime);
      if (kept) return kept;
      await sleep(KEPT_EXIT_POLL_MS);
    }
    return STATUS_LOST;
  }

  /** False when the process is gone. The start time guards against a reused pid. */
  async #signal(name: NodeJS.Signals): Promise<boolean> {
    const known = this.#process;
    if (known === null || known.startTime === null) return false;
    if ((await readStartTime(this.#around.procRoot, known.pid)) !== known.startTime) return false;
    try {
      return process.kill(known.pid, name);
    } catch {
      return false;
    }
  }

  #readOutputs(): void {
    const { events } = this.#around;
    for (const [index, buffer] of events.logsOf(this.id).entries()) {
      const path = this.#bundle.outputPaths[index] ?? '';
      try {
        const reader = new LogReader(path, (data) => {
          buffer.append(data);
          events.wake();
        });
        this.#readers.push(reader);
      } catch (error) {
        this.#around.complain(`Output of container ${this.id} is lost: ${messageOf(error)}`);
      }
    }
  }

  /** In this order; each step is tried though one before has failed. */
  async #tearDown(result: WaitResult): Promise<void> {
    if (this.#tearingDown) {
      await this.ended;
      return;
    }
    this.#tearingDown = true;
    const started = this.#state !== 'starting';
    this.#state = 'stopping';
    const { addon, events, network, crunStateRoot } = this.#around;
    // Takes the longest and touches nothing of the rest.
    const detached = this.#try('network', () => network.remove(this.id));
    const oomKills = await this.cgroup.oomKills();
    const strays = this.#process === null ? await this.#watchStrays() : [];
    await this.#try('kill', () => this.cgroup.kill());
    const status = this.#process === null ? result : await this.#process.ended;
    await Promise.all(strays);
    await this.#try('cgroup', () => this.cgroup.whenEmpty());
    await this.#try('crun', () => forgetContainer(crunStateRoot, this.id));
    await this.#try('cgroup', () => this.cgroup.remove());
    if (this.#zoneFd !== null) addon.closeFd(this.#zoneFd);
    this.#zoneFd = null;
    await Promise.all(this.#readers.map((reader) => reader.drain()));
    await detached;
    await this.#try('directory', () => this.#bundle.remove());
    this.#state = 'ended';
    this.#release();
    const exit = this.#describeExit(status, oomKills);
    // The answer of a failed start tells its end; but its output is still sent.
    if (started || this.#stopAsked) events.exit(exit);
    else events.finish(this.id);
    this.#resolveEnded(exit);
  }

  /**
   * What a crun that failed may have left: orphans, whom this daemon as the
   * subreaper must reap.
   */
  async #watchStrays(): Promise<Promise<WaitResult>[]> {
    const pids = await this.cgroup.pids().catch(() => []);
    return pids.map((pid) => this.#watch(pid));
  }

  #describeExit({ exitCode, signal }: WaitResult, oomKills: number): ContainerExit {
    let reason = ExitReason.EXIT_REASON_UNKNOWN;
    const killed = signal === SIGKILL || (signal === null && exitCode === null);
    if (oomKills > 0 && killed) reason = ExitReason.EXIT_REASON_OOM_KILLED;
    else if (this.#stopAsked) reason = ExitReason.EXIT_REASON_STOPPED;
    else if (signal !== null) reason = ExitReason.EXIT_REASON_SIGNALED;
    else if (exitCode !== null) reason = ExitReason.EXIT_REASON_EXITED;
    return {
      containerId: this.id,
      zoneId: this.zoneId,
      reason,
      exitCode: exitCode ?? 0,
      signal: signal ?? 0,
    };
  }

  async #try(step: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#around.complain(`Clearing up container ${this.id}, ${step}: ${messageOf(error)}`);
    }
  }

  #openZone(): number {
    try {
      return this.#around.addon.openZone(this.zoneId);
    } catch (error) {
      const code = codeOf(error) === 'ENOENT' ? 'NOT_FOUND' : 'FAILED_PRECONDITION';
      throw new CzoneError(
        code,
        `Zone ${this.zoneId} can't be opened for container ${this.id} (${codeOf(error)}).`,
        { cause: error },
      );
    }
  }

  #spawnError(error: unknown): unknown {
    const step = (error as { step?: unknown }).step;
    if (this.#ending.signal.aborted || typeof step !== 'string') return error;
    const code = codeOf(error) === 'EBUSY' ? 'FAILED_PRECONDITION' : 'INTERNAL';
    return new CzoneError(
      code,
      `Container ${this.id} could not be forked into zone ${this.zoneId}, at ${step} (${codeOf(error)}).`,
      { cause: error },
    );
  }

  async #crunError({ exitCode, signal }: WaitResult): Promise<CzoneError> {
    const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
    const oom = (await this.cgroup.oomKills()) > 0 ? ' Its memory was full.' : '';
    const log = (await this.#bundle.readCrunLog()).split('\n').slice(-3).join('; ');
    return new CzoneError(
      'ABORTED',
      `crun could not create container ${this.id} (${how}).${oom}${log ? ` It said: ${log}` : this.#said()}`,
    );
  }

  async #endedEarly(): Promise<CzoneError> {
    const { exitCode, signal } = this.#stopAsked
      ? STATUS_LOST
      : ((await this.#process?.ended) ?? STATUS_LOST);
    let how = this.#stopAsked ? 'was stopped' : 'ended';
    if (signal !== null) how += ` by signal ${signal}`;
    else if (exitCode !== null) how += ` with exit code ${exitCode}`;
    const oom = (await this.cgroup.oomKills()) > 0 ? ' Its memory was full.' : '';
    // Its last words are in the FIFOs until the readers have had their turn.
    await Promise.all(this.#readers.map((reader) => reader.drain()));
    return new CzoneError(
      'ABORTED',
      `Container ${this.id} ${how} before it was ready.${oom}${this.#said()}`,
    );
  }

  #said(): string {
    const [stdout, stderr] = this.#around.events.logsOf(this.id);
    const words = stderr.tail() || stdout.tail();
    return words === '' ? '' : ` Its last words:\n${words}`;
  }

  #wrongState(verb: string): CzoneError {
    return new CzoneError(
      'FAILED_PRECONDITION',
      `Container ${this.id} is ${this.#state} and can't be ${verb}.`,
    );
  }
}

/** Notes the time since the mark before, or since its making. */
function stopwatch(stages: Stage[]): (name: string) => void {
  let last = process.hrtime.bigint();
  return (name) => {
    const now = process.hrtime.bigint();
    stages.push({ name, durationUs: (now - last) / 1000n });
    last = now;
  };
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? messageOf(error));
}
