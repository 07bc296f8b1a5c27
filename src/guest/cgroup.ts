// SPDX-License-Identifier: Apache-2.0
// A container's cgroup: the only file that knows cgroup v2's names.
import { readdir, rmdir, writeFile as writeSlowly } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContainerId, parseContainerId } from '../protocol/ids.js';
import { PAGE_BYTES } from '../protocol/units.js';
import type { FilePages } from './file-pages.js';
import { mkdir, type OpenFile, open, readFile, writeFile } from './memory-files.js';

export interface CgroupLimits {
  readonly memoryBytes: number;
  /** Thousandths of a CPU; null: no limit. */
  readonly cpuMillis: number | null;
}

const PROCESSES_MAX = 1024;
const CPU_PERIOD_US = 100_000;
const POLL_MAX_MS = 100;

export class Cgroups {
  readonly #root: string;

  /** `root`: the directory whose children are containers. */
  constructor(root: string) {
    this.#root = root;
  }

  of(id: ContainerId): Cgroup {
    return new Cgroup(join(this.#root, id));
  }

  async list(): Promise<ContainerId[]> {
    const names = await readdir(this.#root).catch(() => []);
    return names.map(parseContainerId).filter((id) => id !== null);
  }
}

/** What a container needs of its cgroup. */
export type ContainerCgroup = Pick<Cgroup, keyof Cgroup>;

export class Cgroup {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  async create({ memoryBytes, cpuMillis }: CgroupLimits): Promise<void> {
    await mkdir(this.directory);
    await this.#write('memory.max', String(memoryBytes));
    // All of a container that overran its memory is killed, not just a part.
    await this.#write('memory.oom.group', '1');
    await this.#write('pids.max', String(PROCESSES_MAX));
    if (cpuMillis !== null) {
      await this.#write(
        'cpu.max',
        `${Math.max(1000, cpuMillis * (CPU_PERIOD_US / 1000))} ${CPU_PERIOD_US}`,
      );
    }
  }

  /** A descriptor of the directory, for clone3. */
  openDirectory(): Promise<OpenFile> {
    return open(this.directory, 'r');
  }

  async kill(): Promise<void> {
    await this.#writeIfThere('cgroup.kill', '1');
  }

  /** Answers when all its processes stand still. */
  async freeze(): Promise<void> {
    await this.#write('cgroup.freeze', '1');
    await poll(async () => (await this.#event('cgroup.events', 'frozen')) !== 0);
  }

  async thaw(): Promise<void> {
    await this.#writeIfThere('cgroup.freeze', '0');
  }

  async frozen(): Promise<boolean> {
    return (await this.#event('cgroup.events', 'frozen')) === 1;
  }

  /** Answers when no process is left in it; at once when it is not there. */
  async whenEmpty(): Promise<void> {
    await poll(async () => (await this.#event('cgroup.events', 'populated')) !== 1);
  }

  async pids(): Promise<number[]> {
    const text = await readFile(join(this.directory, 'cgroup.procs'), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  }

  /** How many processes were killed since its memory was full. */
  async oomKills(): Promise<number> {
    return (await this.#event('memory.events', 'oom_kill')) ?? 0;
  }

  async memoryCurrentBytes(): Promise<number> {
    return this.#number('memory.current');
  }

  /** Files in memory (tmpfs) are none: the kernel can't take them. */
  async filePages(): Promise<FilePages> {
    const text = await readFile(join(this.directory, 'memory.stat'), 'utf8').catch(() => '');
    const value = (name: string) => numberIn(text, name) ?? 0;
    return {
      bytes: value('file') - value('shmem'),
      mappedBytes: value('file_mapped'),
      refaultedBytes: value('workingset_refault_file') * PAGE_BYTES,
    };
  }

  /**
   * Asks the kernel for cold memory of it: pages of files, and, where there is swap, of
   * its own. As much as could be taken is taken.
   */
  async reclaim(bytes: number): Promise<{ reclaimedBytes: number; swappedBytes: number }> {
    const swapBytes = () => this.#number('memory.swap.current');
    const [usedBefore, swapBefore] = await Promise.all([this.memoryCurrentBytes(), swapBytes()]);
    const asked = writeSlowly(join(this.directory, 'memory.reclaim'), String(bytes), {
      flag: 'r+',
    });
    await asked.catch((error: NodeJS.ErrnoException) => {
      // Not as much was there; what was has been taken.
      if (error.code !== 'EAGAIN') throw error;
    });
    const [usedAfter, swapAfter] = await Promise.all([this.memoryCurrentBytes(), swapBytes()]);
    return {
      reclaimedBytes: Math.max(usedBefore - usedAfter, 0),
      swappedBytes: Math.max(swapAfter - swapBefore, 0),
    };
  }

  /** Nothing when it is not there. */
  async remove(): Promise<void> {
    await rmdir(this.directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  /** 0 where there is no such file. */
  async #number(file: string): Promise<number> {
    const text = await readFile(join(this.directory, file), 'utf8').catch(() => '0');
    return Number.parseInt(text, 10) || 0;
  }

  /** A number of a file of `name value` lines; null where there is none. */
  async #event(file: string, name: string): Promise<number | null> {
    const text = await readFile(join(this.directory, file), 'utf8').catch(() => '');
    return numberIn(text, name);
  }

  async #write(file: string, text: string): Promise<void> {
    await writeFile(join(this.directory, file), text, { flag: 'r+' });
  }

  async #writeIfThere(file: string, text: string): Promise<void> {
    await this.#write(file, text).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENODEV') throw error;
    });
  }
}

function numberIn(text: string, name: string): number | null {
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(text);
  return match ? Number(match[1]) : null;
}

async function poll(done: () => Promise<boolean>): Promise<void> {
  for (let pauseMs = 1; !(await done()); pauseMs = Math.min(pauseMs * 2, POLL_MAX_MS)) {
    await sleep(pauseMs);
  }
}
