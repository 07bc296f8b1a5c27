// SPDX-License-Identifier: Apache-2.0
// One container, from its start to its end.
//
//   starting ──ready──> running <──pause/resume──> paused
//      │                   │                          │
//      └──failed──────┬────┴──stop, own end───────────┘
//                     v
//                 stopping ──nothing is left──> ended
//
// A zygote has the same states; running, it waits to be forked (docs/zygote.md).
// All moves are made here. Whatever moves it to stopping, the same tear-down
// follows, which takes away what there is; so a start that failed half-way leaves
// as little as a container that lived.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../protocol/errors.js';
import type { ContainerExit, Stage } from '../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId } from '../protocol/ids.js';
import type { ContainerState } from './bundle.js';
import type { ContainerCgroup } from './cgroup.js';
import { ContainerParts } from './container-parts.js';
import { describeEnd, describeExit } from './exit.js';
import {
  type FirstProcess,
  keptStatus,
  STATUS_LOST,
  signalProcess,
  watchProcess,
} from './first-process.js';
import type { WaitResult, ZoneInfo } from './native.js';
import { readStartTime } from './process.js';
import type { ContainerSpec, Role } from './request.js';
import {
  type Method,
  type StartParts,
  startProcess,
  untilReady,
  type Way,
} from './start-container.js';
import { stopwatch } from './stopwatch.js';
import type { Surroundings } from './surroundings.js';
import type { ZygoteChannel } from './zygote-channel.js';

export type State = 'starting' | 'running' | 'paused' | 'stopping' | 'ended';

export interface Started extends Method {
  readonly stages: Stage[];
  /** Of a zygote; else empty. */
  readonly runtime: string;
}

export class Container {
  /** Fulfilled when nothing is left of it. */
  readonly ended: Promise<ContainerExit>;
  readonly #parts: ContainerParts;
  readonly #release: () => void;
  readonly #ending = new AbortController();
  #resolveEnded!: (exit: ContainerExit) => void;
  #state: State = 'starting';
  #process: FirstProcess | null = null;
  #stopAsked = false;
  #tearingDown = false;

  /** `release` is called when nothing of it is left, before anybody is told. */
  constructor(
    id: ContainerId,
    state: Pick<ContainerState, 'zoneId' | 'address' | 'role' | 'namespace'>,
    around: Surroundings,
    release: () => void,
  ) {
    this.#release = release;
    this.#parts = new ContainerParts(id, state, around);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get id(): ContainerId {
    return this.#parts.id;
  }

  get zoneId(): number {
    return this.#parts.zoneId;
  }

  get address(): string {
    return this.#parts.address;
  }

  get role(): Role {
    return this.#parts.role;
  }

  get cgroup(): ContainerCgroup {
    return this.#parts.cgroup;
  }

  get state(): State {
    return this.#state;
  }

  /** 0: none yet. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  zoneInfo(): ZoneInfo {
    const { zoneFd, around } = this.#parts;
    if (zoneFd === null) throw this.#wrongState('inspected');
    return around.addon.zoneInfo(zoneFd);
  }

  /** By which it is forked; null: it is no zygote, or none that can be forked now. */
  get channel(): ZygoteChannel | null {
    const { channel } = this.#parts;
    return this.#state === 'running' && channel?.open === true ? channel : null;
  }

  /** Answers when its port does, or it says so. On an error nothing of it is left. */
  async start(spec: ContainerSpec, way: Way): Promise<Started> {
    const stages: Stage[] = [];
    const mark = stopwatch(stages);
    const start: StartParts = { parts: this.#parts, spec, ending: this.#ending.signal, mark };
    try {
      const { pid, method, fallbackReason } = await startProcess(start, way);
      await this.#begin(pid);
      const runtime = await untilReady(start);
      if (runtime === null) throw await this.#endedEarly();
      // At once, so that an end from here on is not taken for that of a start.
      this.#state = 'running';
      mark('ready');
      if (this.role === 'zygote') {
        this.#parts.around.networkPool.fill();
        this.#parts.around.sandboxMaker.warm();
        this.#dropWhatItRead().catch(() => {});
      }
      return { stages, runtime, method, fallbackReason };
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
      // A zygote has nothing to put in order.
      const asks = graceMs > 0 && this.role === 'function';
      if (asks && (await this.#signal('SIGTERM'))) {
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
    const parts = this.#parts;
    const { addon, procRoot, exitsDirectory, complain } = parts.around;
    const known = (await parts.bundle.readState())?.process ?? null;
    try {
      parts.openZone();
    } catch (error) {
      complain(`Container ${this.id} is adopted without its zone: ${messageOf(error)}`);
    }
    parts.readOutputs();
    if (known === null) {
      // It was being started; the host knows that this has failed.
      await this.#tearDown(STATUS_LOST);
      return;
    }
    const alive = (await readStartTime(procRoot, known.pid)) === known.startTime;
    const ended = alive ? watchProcess(addon, known.pid) : Promise.resolve(STATUS_LOST);
    const status = ended.then((result) => keptStatus(exitsDirectory, known, result));
    this.#follow({ ...known, ended: status });
    this.#state = frozen ? 'paused' : 'running';
    if (this.role === 'zygote' && alive) parts.takeChannelOver(known.pid);
  }

  /** It has its first process. */
  async #begin(pid: number): Promise<void> {
    const { around } = this.#parts;
    if (pid === 0) {
      this.#follow({ pid, startTime: null, ended: Promise.resolve(STATUS_LOST) });
      return;
    }
    const startTime = await readStartTime(around.procRoot, pid);
    this.#follow({ pid, startTime, ended: watchProcess(around.addon, pid) });
    if (startTime !== null) await this.#parts.note({ pid, startTime });
  }

  /**
   * It has read and loaded all that its children will need: the pages of its image that it
   * has not mapped stay unused, a dozen MiB in the case of Python. Nothing depends on it.
   */
  async #dropWhatItRead(): Promise<void> {
    const { cgroup } = this.#parts;
    const { bytes, mappedBytes } = await cgroup.filePages();
    if (bytes > mappedBytes) await cgroup.reclaim(bytes - mappedBytes);
  }

  /** From here on its end is noticed, whoever brings it about. */
  #follow(process: FirstProcess): void {
    this.#process = process;
    void process.ended.then((result) => {
      this.#ending.abort();
      // A start that is under way tears down by itself.
      if (this.#state !== 'starting') void this.#tearDown(result);
    });
  }

  #signal(name: NodeJS.Signals): Promise<boolean> {
    return signalProcess(this.#parts.around.procRoot, this.#process, name);
  }

  async #tearDown(result: WaitResult): Promise<void> {
    if (this.#tearingDown) {
      await this.ended;
      return;
    }
    this.#tearingDown = true;
    const started = this.#state !== 'starting';
    this.#state = 'stopping';
    const { events } = this.#parts.around;
    const oomKills = await this.cgroup.oomKills();
    const status = (await this.#parts.takeAway(this.#process)) ?? result;
    this.#state = 'ended';
    this.#release();
    const exit = describeExit(this.#parts, status, { oomKills, stopAsked: this.#stopAsked });
    // The answer of a failed start tells its end; but its output is still sent.
    if (started || this.#stopAsked) events.exit(exit);
    else events.finish(this.id);
    this.#resolveEnded(exit);
  }

  async #endedEarly(): Promise<CzoneError> {
    const status = this.#stopAsked ? null : ((await this.#process?.ended) ?? STATUS_LOST);
    const oomKills = await this.cgroup.oomKills();
    await this.#parts.drainOutputs();
    const how = describeEnd(status, oomKills);
    return new CzoneError(
      'ABORTED',
      `Container ${this.id} ${how.verb} before it was ready.${how.oom}${this.#parts.said()}`,
    );
  }

  #wrongState(verb: string): CzoneError {
    return new CzoneError(
      'FAILED_PRECONDITION',
      `Container ${this.id} is ${this.#state} and can't be ${verb}.`,
    );
  }
}
