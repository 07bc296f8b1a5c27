// SPDX-License-Identifier: Apache-2.0
// Ways to have one container a VM: booted afresh, cloned from a template that held just
// before its runtime started, cloned from one whose function had answered. A template's
// memory is one file, which clones map copy-on-write, so that what they do not write is
// there once.
import { fstatSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostAddon } from '../../host/device/native.js';
import { SOLO_BYTES, type SoloMemory, type SoloShape } from './shape.js';
import { type SoloMachine, SoloVm } from './solo-vm.js';

export const SOLO_KINDS = ['fresh', 'early', 'warm'] as const;
export type SoloKind = (typeof SOLO_KINDS)[number];

/** What it is to be best at. */
export type SoloAim = 'quick' | 'small';
/**
 * Translated code that is kept, MiB. An interpreter starts in 8.5 s with 128 and in 10.5
 * with 32; a clone that has nothing to start takes 0.52 s and not 0.40 with 128; 32 holds less.
 */
const TRANSLATION_MIB: Readonly<Record<SoloAim, Readonly<Record<SoloKind, number>>>> = {
  quick: { fresh: 128, early: 128, warm: 32 },
  small: { fresh: 32, early: 32, warm: 32 },
};
/** Before it counts as warm. */
const WARM_REQUESTS = 20;
/** Nobody's boot should hang; one that does is counted. */
const BOOTS_MAX = 3;

interface Member {
  readonly vm: SoloVm;
  /** null: it maps the template's. */
  readonly memoryFd: number | null;
}

export class SoloFleet {
  readonly #machine: SoloMachine;
  readonly #addon: HostAddon;
  readonly #kind: SoloKind;
  readonly #translationMib: number;
  readonly #directory: string;
  readonly #members: Member[] = [];
  #templateFd: number | null = null;
  #hungBoots = 0;

  private constructor(
    machine: SoloMachine,
    addon: HostAddon,
    { kind, aim, directory }: { kind: SoloKind; aim: SoloAim; directory: string },
  ) {
    this.#machine = machine;
    this.#addon = addon;
    this.#kind = kind;
    this.#translationMib = TRANSLATION_MIB[aim][kind];
    this.#directory = directory;
  }

  /** Makes the template, where the kind has one. */
  static async open(
    machine: SoloMachine,
    addon: HostAddon,
    kind: SoloKind,
    aim: SoloAim,
  ): Promise<SoloFleet> {
    const directory = await mkdtemp(join(tmpdir(), 'czone-fleet-'));
    const fleet = new SoloFleet(machine, addon, { kind, aim, directory });
    try {
      if (kind !== 'fresh') await fleet.#makeTemplate();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  /**
   * One more; ends with its first answer. Milliseconds from the launch to there; of a
   * boot that hung and was begun again only the last launch counts. Two may be under way
   * at once.
   */
  async add(): Promise<number> {
    return (await this.#add()).ms;
  }

  /** One more, which is paused when it has answered. */
  async addPaused(): Promise<void> {
    const { member } = await this.#add();
    await member.vm.pause();
  }

  async pause(): Promise<void> {
    for (const { vm } of this.#members) await vm.pause();
  }

  async resume(): Promise<void> {
    for (const { vm } of this.#members) await vm.resume();
  }

  async #add(): Promise<{ member: Member; ms: number }> {
    if (this.#kind === 'fresh') return this.#boot({ hold: false });
    const { requestPath } = this.#machine;
    const startMs = performance.now();
    const memory: SoloMemory = { kind: 'copied', path: this.#pathOf(this.#templateFd ?? -1) };
    const hold = this.#kind === 'early';
    const vm = await this.#launch({ memory, hold, incoming: true });
    const member = { vm, memoryFd: null };
    this.#members.push(member);
    await vm.loadState(this.#statePath);
    if (hold) await vm.letGo();
    await vm.firstResponse(requestPath);
    return { member, ms: performance.now() - startMs };
  }

  /** Boots that hung, and were begun again. */
  get hungBoots(): number {
    return this.#hungBoots;
  }

  /** Of all VMs, guests and VMMs; a template once. */
  hostBytes(): number {
    const held = (fd: number | null) => (fd === null ? 0 : fstatSync(fd).blocks * 512);
    return this.#members.reduce(
      (sum, { vm, memoryFd }) => sum + vm.ownBytes() + held(memoryFd),
      held(this.#templateFd),
    );
  }

  /** The newest ends, and a fresh one's memory with it. */
  async removeLast(): Promise<void> {
    const last = this.#members.at(-1);
    if (last) await this.#remove(last);
  }

  async #remove(member: Member): Promise<void> {
    this.#members.splice(this.#members.indexOf(member), 1);
    await member.vm.end();
    if (member.memoryFd !== null) this.#addon.closeMemory(member.memoryFd);
  }

  async close(): Promise<void> {
    for (const member of [...this.#members]) await this.#remove(member);
    if (this.#templateFd !== null) this.#addon.closeMemory(this.#templateFd);
    this.#templateFd = null;
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #statePath(): string {
    return join(this.#directory, 'state');
  }

  async #makeTemplate(): Promise<void> {
    const hold = this.#kind === 'early';
    const { member } = await this.#boot({ hold });
    const { vm } = member;
    if (!hold) {
      for (let n = 1; n < WARM_REQUESTS; n++) await vm.firstResponse(this.#machine.requestPath);
    }
    await vm.saveState(this.#statePath);
    this.#members.splice(0);
    this.#templateFd = member.memoryFd;
    await vm.end();
  }

  /** With memory of its own; it holds, or has answered. */
  async #boot({ hold }: { hold: boolean }): Promise<{ member: Member; ms: number }> {
    for (let boots = 1; ; boots++) {
      const startMs = performance.now();
      const member = await this.#launchFresh(hold);
      const { vm } = member;
      try {
        await (hold ? vm.held() : vm.firstResponse(this.#machine.requestPath));
        return { member, ms: performance.now() - startMs };
      } catch (error) {
        if (boots === BOOTS_MAX) throw error;
        this.#machine.signal.throwIfAborted();
        this.#hungBoots += 1;
        await this.#remove(member);
      }
    }
  }

  #launch(options: Pick<SoloShape, 'memory' | 'hold' | 'incoming'>): Promise<SoloVm> {
    return SoloVm.launch(this.#machine, { ...options, translationMib: this.#translationMib });
  }

  async #launchFresh(hold: boolean): Promise<Member> {
    const memoryFd = this.#addon.createMemory('czone-solo', SOLO_BYTES, false);
    try {
      const memory: SoloMemory = { kind: 'own', path: this.#pathOf(memoryFd) };
      const member = { vm: await this.#launch({ memory, hold, incoming: false }), memoryFd };
      this.#members.push(member);
      return member;
    } catch (error) {
      this.#addon.closeMemory(memoryFd);
      throw error;
    }
  }

  #pathOf(fd: number): string {
    return `/proc/${process.pid}/fd/${fd}`;
  }
}
