// SPDX-License-Identifier: Apache-2.0
// Surroundings of containers without a VM: real files, FIFOs and processes; zones,
// cgroups, network and crun are played. `left` tells what was made and not undone.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Bundles } from '../../src/guest/bundle.js';
import type { ContainerCgroup } from '../../src/guest/cgroup.js';
import { Containers } from '../../src/guest/containers.js';
import { Events } from '../../src/guest/events.js';
import type { GuestAddon, SpawnOptions, WaitResult } from '../../src/guest/native.js';
import {
  type NamespaceName,
  type PooledNamespace,
  parseNamespaceName,
} from '../../src/guest/network.js';
import type { SandboxFailure } from '../../src/guest/sandbox-request.js';
import type { Surroundings } from '../../src/guest/surroundings.js';
import type { ContainerId } from '../../src/protocol/ids.js';
import { MIB } from '../../src/protocol/units.js';

const ADDON = createRequire(import.meta.url)(
  new URL('../../../build/Release/czone_guest.node', import.meta.url).pathname,
) as GuestAddon;

const CRUN_PIDFD = 1_000_000;
/** Zones' descriptors are played, those of channels are real. */
const ZONE_FDS = 2_000_000;
const SIGNALS: Record<string, number> = { SIGTERM: 15, SIGKILL: 9 };

export class FakeSandbox {
  readonly events = new Events();
  readonly containers: Containers;
  readonly complaints: string[] = [];
  /** What is done, in order. */
  readonly deeds: string[] = [];
  /** The shell script that plays the container. */
  script = 'exec sleep 1000';
  /** Lets a script go on that waits by `${fake.wait}`. */
  go(): void {
    writeFileSync(join(this.#directory, 'go'), '');
  }

  get wait(): string {
    return `while [ ! -e ${this.#directory}/go ]; do sleep 0.02; done`;
  }

  /** Steps that fail, and with what. */
  readonly failures = new Map<string, Error>();
  crunExitCode = 0;
  /** What the next zygote says when it has loaded. */
  zygoteSays = ready('python 3.13');
  /** Whether a zygote forks, or what it answers instead. */
  zygoteAnswer: ((id: bigint) => Buffer) | null = null;
  sandboxFailure: SandboxFailure | null = null;
  #pooled = 0;
  #lastSandbox = '';
  readonly #forked = new Map<string, number[]>();
  oomKillCount = 0;
  /** Fulfilled by the test when the port shall answer. */
  ready: Promise<boolean> | null = Promise.resolve(true);
  readonly #directory: string;
  readonly #children = new Map<number, { child: ChildProcess; ended: Promise<WaitResult> }>();
  readonly #made = new Set<string>();

  constructor(directory: string) {
    this.#directory = directory;
    for (const name of ['containers', 'crun', 'exits']) {
      mkdirSync(join(directory, name), { recursive: true });
    }
    this.containers = this.daemon();
  }

  /** A new daemon in the same sandbox. */
  daemon(events = this.events): Containers {
    const around: Surroundings = {
      addon: this.#addon(),
      network: {
        add: async (id) => this.#make('network', id),
        remove: async (id) => this.#unmake('network', id),
        namespacePath: () => '/dev/null',
        list: async () => this.#namespaces(),
      },
      networkPool: {
        take: async () => {
          const name = `n-00000000000${this.#pooled++}` as PooledNamespace;
          this.#make('network', name);
          return name;
        },
        fill: () => {},
      },
      sandboxMaker: {
        make: async (steps) => {
          this.#step('sandbox', null);
          this.#lastSandbox = /(?:^|\0)pivot\0([^\0]+)/.exec(steps)?.[1] ?? '';
          return { pid: 1, failure: this.sandboxFailure };
        },
        warm: () => {},
      },
      cgroups: { of: (id) => this.#cgroup(id), list: async () => this.#idsOf('cgroup') },
      images: { mount: async (serial) => this.#step('image', `/images/${serial}`) },
      bundles: new Bundles(join(this.#directory, 'containers'), (path) => ADDON.makeFifo(path)),
      events,
      procRoot: '/proc',
      crunStateRoot: join(this.#directory, 'crun'),
      exitsDirectory: join(this.#directory, 'exits'),
      complain: (message) => this.complaints.push(message),
    };
    return new Containers(around);
  }

  /** All that was made and is still there. */
  left(): string[] {
    const files = ['containers', 'crun'].flatMap((name) =>
      readdirSync(join(this.#directory, name)).map((entry) => `${name}/${entry}`),
    );
    const processes = [...this.#children.values()]
      .filter(({ child }) => child.exitCode === null && child.signalCode === null)
      .map(() => 'process');
    return [...this.#made, ...files, ...processes];
  }

  killAll(): void {
    for (const { child } of this.#children.values()) child.kill('SIGKILL');
  }

  /** As the first process does for those that nobody else reaps. */
  keepExit(pid: number, startTime: string, status: number): void {
    writeFileSync(join(this.#directory, 'exits', String(pid)), `${startTime} ${status}\n`);
  }

  /** Fulfilled when a process of a container is gone. */
  async whenGone(pid: number): Promise<void> {
    await this.#children.get(pid)?.ended;
  }

  /** A container's process ends as if no daemon were its parent. */
  disown(pid: number): void {
    const known = this.#children.get(pid);
    if (known) {
      const ended = known.ended.then(() => ({ exitCode: null, signal: null }));
      this.#children.set(pid, { child: known.child, ended });
    }
  }

  #addon(): GuestAddon {
    return {
      openZone: (zoneId) => {
        this.#make('zone', String(zoneId));
        return ZONE_FDS + zoneId;
      },
      closeFd: (fd) =>
        fd > ZONE_FDS ? this.#unmake('zone', String(fd - ZONE_FDS)) : ADDON.closeFd(fd),
      zoneInfo: () => {
        throw new Error('not played');
      },
      spawnInZone: (options) => this.#spawn(options),
      pidfdOpen: (pid) => pid,
      waitPidfd: async (pidfd) => {
        if (pidfd === CRUN_PIDFD) return { exitCode: this.crunExitCode, signal: null };
        return this.#children.get(pidfd)?.ended ?? { exitCode: null, signal: null };
      },
      waitPort: () => {
        let stop = () => {};
        const stopped = new Promise<boolean>((resolve) => {
          stop = () => resolve(false);
        });
        const answered = Promise.race(this.ready === null ? [stopped] : [this.ready, stopped]);
        return { answered, stop };
      },
      makeChannel: () => ADDON.makeChannel(),
      takeChannel: () => {
        throw new Error('not played');
      },
      sendMessage: (fd, message) => ADDON.sendMessage(fd, message, []),
      receiveMessage: (fd) => ADDON.receiveMessage(fd),
      shutDown: (fd) => ADDON.shutDown(fd),
      makeFifo: (path) => ADDON.makeFifo(path),
      becomeSubreaper: () => {},
      trimHeap: () => {},
      readNoneAround: () => 0,
    };
  }

  #spawn(options: SpawnOptions): { pid: number; pidfd: number } {
    this.#step('spawn', null);
    const argument = (name: string) =>
      options.argv.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
    const id = options.argv.at(-1) ?? '';
    mkdirSync(join(argument('root'), id));
    if (this.crunExitCode !== 0) {
      writeFileSync(argument('log'), 'no such executable\n');
    } else {
      const stdio = ['ignore', options.stdoutFd, options.stderrFd] as const;
      const pid = this.#run(this.script, stdio);
      writeFileSync(argument('pid-file'), String(pid));
      const [end] = options.passedFds;
      if (end !== undefined) void this.#playZygote(duplicate(end));
    }
    return { pid: 1, pidfd: CRUN_PIDFD };
  }

  /** In this process, at the zygote's end of its channel. */
  async #playZygote(fd: number): Promise<void> {
    ADDON.sendMessage(fd, this.zygoteSays, []);
    for (;;) {
      const request = await ADDON.receiveMessage(fd).catch(() => null);
      if (request === null) break;
      const id = request.readBigUInt64LE(8);
      if (this.zygoteAnswer === null) {
        const directory = dirname(this.#lastSandbox);
        const outputs = ['stdout', 'stderr'].map((name) => openSync(join(directory, name), 'r+'));
        const pid = this.#run(this.script, ['ignore', outputs[0] ?? 1, outputs[1] ?? 2]);
        for (const output of outputs) closeSync(output);
        this.#forked.set(basename(directory), [pid]);
      }
      const answer = this.zygoteAnswer?.(id) ?? reply(18, id);
      if (answer.length > 0) ADDON.sendMessage(fd, answer, []);
    }
    ADDON.closeFd(fd);
  }

  #run(script: string, stdio: readonly ['ignore', number, number]): number {
    const child = spawn('/bin/sh', ['-c', script], { stdio: [...stdio] });
    const ended = once(child, 'exit').then(([exitCode, signal]: (number | string | null)[]) => ({
      exitCode: exitCode as number | null,
      signal: signal === null ? null : (SIGNALS[String(signal)] ?? -1),
    }));
    const pid = child.pid ?? 0;
    this.#children.set(pid, { child, ended });
    return pid;
  }

  #cgroup(id: ContainerId): ContainerCgroup {
    return {
      directory: `/cgroup/${id}`,
      create: async () => this.#make('cgroup', id),
      openDirectory: () => open(this.#directory),
      kill: async () => {
        this.deeds.push('kill');
        this.killAll();
      },
      freeze: async () => {
        this.deeds.push('freeze');
      },
      frozen: async () => false,
      thaw: async () => {
        this.deeds.push('thaw');
      },
      whenEmpty: async () => {
        await Promise.all(Array.from(this.#children.values(), ({ ended }) => ended));
      },
      pids: async () => this.#forked.get(id) ?? [],
      oomKills: async () => this.oomKillCount,
      memoryCurrentBytes: async () => 4096,
      filePages: async () => ({ bytes: 3 * MIB, mappedBytes: MIB, refaultedBytes: 0 }),
      reclaim: async (bytes) => {
        this.deeds.push(`reclaim ${bytes}`);
        return { reclaimedBytes: bytes, swappedBytes: 0 };
      },
      remove: async () => this.#unmake('cgroup', id),
    };
  }

  #make(kind: string, name: string): void {
    this.#step(kind, null);
    this.#made.add(`${kind} ${name}`);
  }

  #unmake(kind: string, name: string): void {
    this.deeds.push(`no ${kind}`);
    this.#made.delete(`${kind} ${name}`);
  }

  #step<Value>(kind: string, value: Value): Value {
    this.deeds.push(kind);
    const failure = this.failures.get(kind);
    if (failure) throw failure;
    return value;
  }

  #namespaces(): NamespaceName[] {
    return [...this.#made]
      .filter((entry) => entry.startsWith('network '))
      .map((entry) => parseNamespaceName(entry.slice('network '.length)))
      .filter((name) => name !== null);
  }

  #idsOf(kind: string): ContainerId[] {
    return [...this.#made]
      .filter((entry) => entry.startsWith(`${kind} c-`))
      .map((entry) => entry.slice(kind.length + 1) as ContainerId);
  }
}

/** A message of a zygote's (docs/zygote.md). */
export function reply(type: number, id: bigint, body: string | Buffer = ''): Buffer {
  const header = Buffer.alloc(16);
  header.write('CZZ1', 'latin1');
  header.writeUInt16LE(type, 4);
  header.writeBigUInt64LE(id, 8);
  return Buffer.concat([header, Buffer.from(body)]);
}

export function ready(runtime: string): Buffer {
  return reply(16, 0n, runtime);
}

export function refused(id: bigint, reason: string): Buffer {
  return reply(17, id, reason);
}

/** Another descriptor of the same end. */
function duplicate(fd: number): number {
  const pidfd = ADDON.pidfdOpen(process.pid);
  try {
    return ADDON.takeChannel(pidfd, fd);
  } finally {
    ADDON.closeFd(pidfd);
  }
}
