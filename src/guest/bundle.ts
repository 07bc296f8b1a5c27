// SPDX-License-Identifier: Apache-2.0
// A container's directory: crun's bundle, the FIFOs of its output, and what a
// restarted daemon must know of it.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, parseContainerId, parseZoneId, type ZoneId } from '../protocol/ids.js';
import { mkdir, type OpenFile, open, readFile, rename, writeFile } from './memory-files.js';
import type { GuestAddon } from './native.js';
import { type NamespaceName, parseNamespaceName } from './network.js';
import type { Role } from './request.js';

/** Written before anything of a container is made (pid null), and when it has a process. */
export interface ContainerState {
  readonly zoneId: ZoneId;
  readonly address: string;
  readonly role: Role;
  /** null: a zygote, or none was taken yet. */
  readonly namespace: NamespaceName | null;
  readonly process: { readonly pid: number; readonly startTime: string } | null;
}

const VERSION = 2;

type MakeFifo = GuestAddon['makeFifo'];

export class Bundles {
  readonly #root: string;
  readonly #makeFifo: MakeFifo;

  constructor(root: string, makeFifo: MakeFifo) {
    this.#root = root;
    this.#makeFifo = makeFifo;
  }

  of(id: ContainerId): Bundle {
    return new Bundle(join(this.#root, id), this.#makeFifo);
  }

  async list(): Promise<ContainerId[]> {
    const names = await readdir(this.#root).catch(() => []);
    return names.map(parseContainerId).filter((id) => id !== null);
  }
}

export class Bundle {
  readonly directory: string;
  readonly #makeFifo: MakeFifo;

  constructor(directory: string, makeFifo: MakeFifo) {
    this.directory = directory;
    this.#makeFifo = makeFifo;
  }

  /** Where the tmpfs and the overlay are mounted, in the container's own mount namespace. */
  get scratchPath(): string {
    return join(this.directory, 'rw');
  }

  get rootPath(): string {
    return join(this.directory, 'rootfs');
  }

  get pidPath(): string {
    return join(this.directory, 'pid');
  }

  /** What crun itself has to say. */
  get crunLogPath(): string {
    return join(this.directory, 'crun.log');
  }

  /** stdout, stderr. */
  get outputPaths(): readonly [string, string] {
    return [join(this.directory, 'stdout'), join(this.directory, 'stderr')];
  }

  /** In the directory that writeState() has made. */
  async create(): Promise<void> {
    for (const path of this.outputPaths) this.#makeFifo(path);
    await Promise.all([mkdir(this.scratchPath), mkdir(this.rootPath)]);
  }

  /** For crun. */
  async writeConfig(config: object): Promise<void> {
    await writeFile(join(this.directory, 'config.json'), JSON.stringify(config));
  }

  /** Both FIFOs, for reading and writing: see log-reader.ts. */
  async openOutputs(): Promise<readonly [OpenFile, OpenFile]> {
    const [stdout, stderr] = this.outputPaths;
    return [await open(stdout, 'r+'), await open(stderr, 'r+')];
  }

  async readPid(): Promise<number | null> {
    const pid = Number.parseInt(await readFile(this.pidPath, 'utf8').catch(() => ''), 10);
    return pid > 1 ? pid : null;
  }

  async readCrunLog(): Promise<string> {
    return (await readFile(this.crunLogPath, 'utf8').catch(() => '')).trim();
  }

  async writeState(state: ContainerState): Promise<void> {
    await this.#makeDirectory();
    const path = join(this.directory, 'state.json');
    await writeFile(`${path}.new`, JSON.stringify({ version: VERSION, ...state }));
    await rename(`${path}.new`, path);
  }

  /** Not `recursive`, which takes Node.js ten times as long. */
  async #makeDirectory(): Promise<void> {
    await mkdir(this.directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }

  /** null: there is none, or none that this daemon understands. */
  async readState(): Promise<ContainerState | null> {
    const text = await readFile(join(this.directory, 'state.json'), 'utf8').catch(() => '');
    return parseState(text);
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

function parseState(text: string): ContainerState | null {
  let state: Record<string, unknown>;
  try {
    state = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  const zoneId = typeof state['zoneId'] === 'number' ? parseZoneId(state['zoneId']) : null;
  const { address, role, namespace, process } = state as {
    address?: unknown;
    role?: unknown;
    namespace?: unknown;
    process?: Record<string, unknown> | null;
  };
  if (state['version'] !== VERSION || zoneId === null || typeof address !== 'string') return null;
  if (role !== 'function' && role !== 'zygote') return null;
  const known = {
    zoneId,
    address,
    role,
    namespace: typeof namespace === 'string' ? parseNamespaceName(namespace) : null,
  } as const;
  if (!process) return { ...known, process: null };
  const { pid, startTime } = process;
  if (typeof pid !== 'number' || typeof startTime !== 'string') return null;
  return { ...known, process: { pid, startTime } };
}
