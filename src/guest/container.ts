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
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../protocol/errors.js';
import type { ContainerExit, Stage } from '../protocol/gen/czone/guest/v1/agent.js';
import type { ContainerId, ZoneId } from '../protocol/ids.js';
import type { Bundle, ContainerState } from './bundle.js';
import type { ContainerCgroup } from './cgroup.js';
import { forgetContainer } from './crun.js';
import { describeEnd, describeExit } from './exit.js';
import { LogReader } from './log-reader.js';
import type { WaitResult, ZoneInfo } from './native.js';
import type { NamespaceName } from './network.js';
import { readKeptExit, readStartTime } from './process.js';
import type { ContainerSpec, Role } from './request.js';
import { type Made, startByCrun } from './start-by-crun.js';
import { startByZygote } from './start-by-zygote.js';
import { stopwatch } from './stopwatch.js';
import type { Surroundings } from './surroundings.js';
import { firstRequestId, notByZygote, ZygoteChannel } from './zygote-channel.js';

export type State = 'starting' | 'running' | 'paused' | 'stopping' | 'ended';

/** How a container is to be started. */
export type Way =
  | { readonly by: 'crun'; readonly whyNoZygote: string }
  | { readonly by: 'zygote'; readonly channel: ZygoteChannel };

export interface Started {
  readonly stages: Stage[];
  readonly method: 'crun' | 'zygote';
  /** Why crun made it though a zygote was named; else empty. */
  readonly fallbackReason: string;
  /** Of a zygote; else empty. */
  readonly runtime: string;
}

interface Process {
  readonly pid: number;
  readonly startTime: string | null;
  readonly ended: Promise<WaitResult>;
}

const STATUS_LOST: WaitResult = { exitCode: null, signal: null };
const KEPT_EXIT_WAIT_MS = 1000;
const KEPT_EXIT_POLL_MS = 20;
/** What a zygote holds for a daemon after this one (docs/zygote.md). */
const DAEMON_END_FD = 4;

export class Container {
  readonly id: ContainerId;
  readonly zoneId: ZoneId;
  readonly address: string;
  readonly role: Role;
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
  #namespace: NamespaceName | null;
  #channel: ZygoteChannel | null = null;
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
    this.id = id;
    this.zoneId = state.zoneId;
    this.address = state.address;
    this.role = state.role;
    this.#namespace = state.namespace;
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

  /** By which it is forked; null: it is no zygote, or none that can be forked now. */
  get channel(): ZygoteChannel | null {
    return this.#state === 'running' && this.#channel?.open === true ? this.#channel : null;
  }

  /** Answers when its port does, or it says so. On an error nothing of it is left. */
  async start(spec: ContainerSpec, way: Way): Promise<Started> {
    const stages: Stage[] = [];
    const mark = stopwatch(stages);
    try {
      await this.#prepare(spec, way, mark);
      const outputs = await this.#bundle.openOutputs();
      let made: Pick<Started, 'method' | 'fallbackReason'>;
      try {
        this.#readOutputs();
        made = await this.#create(spec, way, outputs, mark);
      } finally {
        await Promise.all(outputs.map((handle) => handle.close()));
      }
      mark('create');
      const runtime = await this.#whenReady(spec);
      mark('ready');
      return { stages, runtime, ...made };
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
    if (this.role === 'zygote' && alive) this.#takeChannelOver(known.pid);
  }

  async #prepare(spec: ContainerSpec, way: Way, mark: (stage: string) => void): Promise<void> {
    if (way.by === 'crun' && spec.role === 'function') this.#namespace = this.id;
    await this.#note(null);
    const attached = this.#attach(way);
    const others = [this.#bundle.create(), this.cgroup.create(spec)];
    // All of them, before a failure of one is undone.
    const settled = Promise.allSettled([attached, ...others]);
    await attached.catch(() => {});
    mark('network');
    await settled;
    await Promise.all([attached, ...others]);
    mark('cgroup');
  }

  async #attach(way: Way): Promise<void> {
    const { network, networkPool } = this.#around;
    if (way.by === 'zygote') this.#namespace = await networkPool.take();
    else if (this.#namespace !== null) await network.add(this.id, this.address);
  }

  async #create(
    spec: ContainerSpec,
    way: Way,
    outputs: readonly [FileHandle, FileHandle],
    mark: (stage: string) => void,
  ): Promise<Pick<Started, 'method' | 'fallbackReason'>> {
    let fallbackReason = way.by === 'crun' ? way.whyNoZygote : '';
    if (way.by === 'zygote') {
      const made = this.#made(outputs);
      const result = await startByZygote(this.#around, spec, made, way.channel, mark);
      if ('pid' in result) {
        await this.#begin(result.pid);
        return { method: 'zygote', fallbackReason };
      }
      fallbackReason = result.refusal;
    }
    if (fallbackReason !== '' && spec.zygoteOnly) throw notByZygote(fallbackReason);
    if (way.by === 'zygote') await this.#startOver();
    await this.#begin(await this.#runCrun(spec, outputs, mark));
    return { method: 'crun', fallbackReason };
  }

  /** A zygote's refusal leaves a network without its address and a used descriptor. */
  async #startOver(): Promise<void> {
    const { addon, network } = this.#around;
    this.#ending.signal.throwIfAborted();
    if (this.#zoneFd !== null) addon.closeFd(this.#zoneFd);
    this.#zoneFd = null;
    if (this.#namespace !== null) await network.remove(this.#namespace);
    this.#namespace = this.id;
    await this.#note(null);
    await network.add(this.id, this.address);
  }

  async #runCrun(
    spec: ContainerSpec,
    outputs: readonly [FileHandle, FileHandle],
    mark: (stage: string) => void,
  ): Promise<number> {
    const { addon } = this.#around;
    const made = this.#made(outputs);
    if (spec.role === 'function') return startByCrun(this.#around, spec, made, [], mark);
    const [end, zygoteEnd] = addon.makeChannel();
    this.#useChannel(end);
    try {
      return await startByCrun(this.#around, spec, made, [zygoteEnd, end], mark);
    } finally {
      addon.closeFd(zygoteEnd);
    }
  }

  #made(outputs: readonly [FileHandle, FileHandle]): Made {
    this.#zoneFd ??= this.#openZone();
    return {
      id: this.id,
      bundle: this.#bundle,
      cgroup: this.cgroup,
      zoneFd: this.#zoneFd,
      outputs,
      namespace: this.#namespace,
      ending: this.#ending.signal,
      said: () => this.#said(),
      watch: (pid) => this.#watch(pid),
    };
  }

  /** It has its first process; 0: that has ended before anybody could see it. */
  async #begin(pid: number): Promise<void> {
    if (pid === 0) {
      this.#follow({ pid, startTime: null, ended: Promise.resolve(STATUS_LOST) });
      return;
    }
    const startTime = await readStartTime(this.#around.procRoot, pid);
    this.#follow({ pid, startTime, ended: this.#watch(pid) });
    if (startTime !== null) await this.#note({ pid, startTime });
  }

  /** For a daemon after this one. */
  #note(process: ContainerState['process']): Promise<void> {
    const { zoneId, address, role } = this;
    return this.#bundle.writeState({ zoneId, address, role, namespace: this.#namespace, process });
  }

  #useChannel(fd: number): void {
    this.#channel = new ZygoteChannel(this.#around.addon, fd, firstRequestId());
    // Nobody can fork it any more.
    void this.#channel.closed.then(() => this.cgroup.kill().catch(() => {}));
  }

  #takeChannelOver(pid: number): void {
    const { addon, complain } = this.#around;
    try {
      const pidfd = addon.pidfdOpen(pid);
      try {
        this.#useChannel(addon.takeChannel(pidfd, DAEMON_END_FD));
      } finally {
        addon.closeFd(pidfd);
      }
    } catch (error) {
      complain(`Zygote ${this.id} is ended, for its channel is lost: ${messageOf(error)}`);
      void this.cgroup.kill().catch(() => {});
    }
  }

  /** What a zygote says that it is. */
  async #whenReady(spec: ContainerSpec): Promise<string> {
    const timeout = AbortSignal.timeout(spec.readyTimeoutMs);
    const signal = AbortSignal.any([timeout, this.#ending.signal]);
    const runtime =
      this.#channel === null
        ? await this.#untilPortAnswers(spec, signal)
        : await this.#untilZygoteAnswers(this.#channel, signal);
    if (this.#ending.signal.aborted) throw await this.#endedEarly();
    if (runtime !== null) {
      // At once, so that an end from here on is not taken for that of a start.
      this.#state = 'running';
      if (this.role === 'zygote') this.#around.networkPool.fill();
      return runtime;
    }
    const where = this.role === 'zygote' ? '' : ` at port ${spec.port}`;
    throw new CzoneError(
      'DEADLINE_EXCEEDED',
      `Container ${this.id} did not answer${where} within ${spec.readyTimeoutMs} ms.${this.#said()}`,
    );
  }

  async #untilPortAnswers({ port }: ContainerSpec, signal: AbortSignal): Promise<string | null> {
    return (await this.#around.untilPortAnswers(this.address, port, signal)) ? '' : null;
  }

  async #untilZygoteAnswers(channel: ZygoteChannel, signal: AbortSignal): Promise<string | null> {
    const aborted = new Promise<null>((resolve) => {
      const give = () => resolve(null);
      if (signal.aborted) give();
      signal.addEventListener('abort', give, { once: true });
    });
    const result = await Promise.race([channel.ready, aborted]);
    if (result?.kind === 'refused' && channel.open) {
      throw new CzoneError('FAILED_PRECONDITION', `It can't be a zygote: ${result.reason}.`);
    }
    return result?.kind === 'ready' ? result.runtime : null;
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
    const namespace = this.#namespace;
    // Takes the longest and touches nothing of the rest.
    const detached = this.#try('network', async () => {
      if (namespace !== null) await network.remove(namespace);
    });
    this.#channel?.close('the zygote is ended');
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
    const exit = describeExit(this, status, { oomKills, stopAsked: this.#stopAsked });
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

  async #endedEarly(): Promise<CzoneError> {
    const status = this.#stopAsked ? null : ((await this.#process?.ended) ?? STATUS_LOST);
    const oomKills = await this.cgroup.oomKills();
    // Its last words are in the FIFOs until the readers have had their turn.
    await Promise.all(this.#readers.map((reader) => reader.drain()));
    const how = describeEnd(status, oomKills);
    return new CzoneError(
      'ABORTED',
      `Container ${this.id} ${how.verb} before it was ready.${how.oom}${this.#said()}`,
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

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? messageOf(error));
}
