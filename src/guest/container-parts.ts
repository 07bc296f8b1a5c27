// SPDX-License-Identifier: Apache-2.0
// What one container is made of, as far as this daemon holds it: directory, cgroup,
// zone, network, outputs, a zygote's channel. Made step by step, taken away in one go
// whatever of it there is.
import { CzoneError, messageOf } from '../protocol/errors.js';
import type { ContainerId, ZoneId } from '../protocol/ids.js';
import type { Bundle, ContainerState } from './bundle.js';
import type { ContainerCgroup } from './cgroup.js';
import { forgetContainer } from './crun.js';
import { type FirstProcess, watchProcess } from './first-process.js';
import { LogReader } from './log-reader.js';
import type { WaitResult } from './native.js';
import type { NamespaceName } from './network.js';
import type { Role } from './request.js';
import type { Surroundings } from './surroundings.js';
import { firstRequestId, ZygoteChannel } from './zygote-channel.js';

/** What a zygote holds for a daemon after this one (docs/zygote.md). */
const DAEMON_END_FD = 4;

export class ContainerParts {
  readonly id: ContainerId;
  readonly zoneId: ZoneId;
  readonly address: string;
  readonly role: Role;
  readonly around: Surroundings;
  readonly bundle: Bundle;
  readonly cgroup: ContainerCgroup;
  namespace: NamespaceName | null;
  /** Of a zygote. */
  channel: ZygoteChannel | null = null;
  #zoneFd: number | null = null;
  readonly #readers: LogReader[] = [];

  constructor(
    id: ContainerId,
    state: Pick<ContainerState, 'zoneId' | 'address' | 'role' | 'namespace'>,
    around: Surroundings,
  ) {
    this.id = id;
    this.zoneId = state.zoneId;
    this.address = state.address;
    this.role = state.role;
    this.namespace = state.namespace;
    this.around = around;
    this.cgroup = around.cgroups.of(id);
    this.bundle = around.bundles.of(id);
  }

  /** null: it is not open. */
  get zoneFd(): number | null {
    return this.#zoneFd;
  }

  /** NOT_FOUND, FAILED_PRECONDITION. */
  openZone(): number {
    try {
      this.#zoneFd ??= this.around.addon.openZone(this.zoneId);
      return this.#zoneFd;
    } catch (error) {
      const code = codeOf(error) === 'ENOENT' ? 'NOT_FOUND' : 'FAILED_PRECONDITION';
      throw new CzoneError(
        code,
        `Zone ${this.zoneId} can't be opened for container ${this.id} (${codeOf(error)}).`,
        { cause: error },
      );
    }
  }

  closeZone(): void {
    if (this.#zoneFd !== null) this.around.addon.closeFd(this.#zoneFd);
    this.#zoneFd = null;
  }

  /** For a daemon after this one. */
  note(process: ContainerState['process']): Promise<void> {
    const { zoneId, address, role, namespace } = this;
    return this.bundle.writeState({ zoneId, address, role, namespace, process });
  }

  /** Once, however often it is called. */
  readOutputs(): void {
    if (this.#readers.length > 0) return;
    const { events, complain } = this.around;
    for (const [index, buffer] of events.logsOf(this.id).entries()) {
      const path = this.bundle.outputPaths[index] ?? '';
      try {
        const reader = new LogReader(path, (data) => {
          buffer.append(data);
          events.wake();
        });
        this.#readers.push(reader);
      } catch (error) {
        complain(`Output of container ${this.id} is lost: ${messageOf(error)}`);
      }
    }
  }

  /** Its last words are in the FIFOs until the readers have had their turn. */
  async drainOutputs(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.drain()));
  }

  /** Its last words, for an error's message. */
  said(): string {
    const [stdout, stderr] = this.around.events.logsOf(this.id);
    const words = stderr.tail() || stdout.tail();
    return words === '' ? '' : ` Its last words:\n${words}`;
  }

  useChannel(fd: number): void {
    this.channel = new ZygoteChannel(this.around.addon, fd, firstRequestId());
    // Nobody can fork it any more.
    void this.channel.closed.then(() => this.cgroup.kill().catch(() => {}));
  }

  /** The channel of a zygote that an earlier daemon has started. */
  takeChannelOver(pid: number): void {
    const { addon, complain } = this.around;
    try {
      const pidfd = addon.pidfdOpen(pid);
      try {
        this.useChannel(addon.takeChannel(pidfd, DAEMON_END_FD));
      } finally {
        addon.closeFd(pidfd);
      }
    } catch (error) {
      complain(`Zygote ${this.id} is ended, for its channel is lost: ${messageOf(error)}`);
      void this.cgroup.kill().catch(() => {});
    }
  }

  /**
   * In this order; each step is tried though one before has failed. How its process
   * ended, or null where there was none.
   */
  async takeAway(process: FirstProcess | null): Promise<WaitResult | null> {
    const { network, crunStateRoot } = this.around;
    const { namespace } = this;
    // Takes the longest and touches nothing of the rest.
    const detached = this.#try('network', async () => {
      if (namespace !== null) await network.remove(namespace);
    });
    this.channel?.close('the zygote is ended');
    const strays = process === null ? await this.#watchStrays() : [];
    await this.#try('kill', () => this.cgroup.kill());
    const status = process === null ? null : await process.ended;
    await Promise.all(strays);
    await this.#try('cgroup', () => this.cgroup.whenEmpty());
    await this.#try('crun', () => forgetContainer(crunStateRoot, this.id));
    await this.#try('cgroup', () => this.cgroup.remove());
    this.closeZone();
    await this.drainOutputs();
    await detached;
    await this.#try('directory', () => this.bundle.remove());
    return status;
  }

  /**
   * What a crun that failed may have left: orphans, whom this daemon as the
   * subreaper must reap.
   */
  async #watchStrays(): Promise<Promise<WaitResult>[]> {
    const pids = await this.cgroup.pids().catch(() => []);
    return pids.map((pid) => watchProcess(this.around.addon, pid));
  }

  async #try(step: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.around.complain(`Clearing up container ${this.id}, ${step}: ${messageOf(error)}`);
    }
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? messageOf(error));
}
