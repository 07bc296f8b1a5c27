// SPDX-License-Identifier: Apache-2.0
// Our side of B5 and B6: a node of its own, its containers, and all that it costs.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NodeProcess } from '../demo/node-process.js';
import type { ContainerView } from '../host/controller-api.js';
import { CzoneError } from '../protocol/errors.js';
import { MIB } from '../protocol/units.js';
import { readGuestBytes } from './guest-bytes.js';

/** What a container of the function may use. */
export const MEMORY_BYTES = 48 * MIB;
const TENANT = 'bench';

/** How the runtime comes to be. */
export const STARTS = ['crun', 'zygote'] as const;
export type Start = (typeof STARTS)[number];

export interface NodeSideOptions {
  /** Of the command line, for a process of its own. */
  readonly main: string;
  readonly functionId: string;
  readonly requestPath: string;
  /** Of `czone node start`, beside what every node of the bench has. */
  readonly nodeArgs: readonly string[];
  readonly signal: AbortSignal;
}

export class NodeSide {
  readonly #node: NodeProcess;
  readonly #directories: Directories;
  readonly #options: NodeSideOptions;

  private constructor(node: NodeProcess, directories: Directories, options: NodeSideOptions) {
    this.#node = node;
    this.#directories = directories;
    this.#options = options;
  }

  static async open(options: NodeSideOptions): Promise<NodeSide> {
    const runDir = await mkdtemp(join(tmpdir(), 'czone-bench-'));
    // A disk, whatever /tmp is.
    const programDir = await mkdtemp('/var/tmp/czone-bench-');
    const directories = { runDir, programDir };
    try {
      const node = await NodeProcess.start([options.main], {
        program: await ownProgram(programDir),
        runDir,
        logPath: join(runDir, 'node.log'),
        args: ['--region', '8GiB', ...options.nodeArgs],
        signal: options.signal,
      });
      return new NodeSide(node, directories, options);
    } catch (error) {
      await remove(directories);
      throw error;
    }
  }

  /** One more container, until the host has its first answer. */
  async add(start: Start): Promise<{ readonly ms: number; readonly view: ContainerView }> {
    const startMs = performance.now();
    const view = await this.#node.client.place({
      tenantId: TENANT,
      functionId: this.#options.functionId,
      memoryBytes: MEMORY_BYTES,
      startMode: start === 'zygote' ? 'ZYGOTE' : 'CRUN',
    });
    const response = await fetch(`${view.endpoint}${this.#options.requestPath}`);
    await response.arrayBuffer();
    return { ms: performance.now() - startMs, view };
  }

  async remove(containerId: string): Promise<ContainerView> {
    return this.#node.client.stop(containerId);
  }

  /** Guest memory, VMMs and the controller. */
  async hostBytes(): Promise<number> {
    const { zones, guest, vmm, controller } = await this.#count();
    return zones + guest + vmm + controller;
  }

  /** The same, part by part; needs `node start --debug-shell`. */
  async parts(): Promise<readonly (readonly [part: string, bytes: number])[]> {
    const [sandbox] = await this.#node.client.sandboxes();
    if (sandbox === undefined) throw new CzoneError('INTERNAL', "the bench's node has no VM");
    const shell = join(this.#directories.runDir, 'vms', sandbox.sandboxId, 'shell.sock');
    const { zones, guest, vmm, controller } = await this.#count();
    const { memmap, daemon, pageCache } = await readGuestBytes(shell);
    return [
      ['zones', zones],
      ['guest: daemon', daemon],
      ['guest: page cache', pageCache],
      ['guest: memmap', memmap],
      ['guest: kernel and the rest', guest - daemon - pageCache - memmap],
      ['VMM', vmm],
      ['controller', controller],
    ];
  }

  async #count(): Promise<{ zones: number; guest: number; vmm: number; controller: number }> {
    const { sandboxes } = await this.#node.client.memory();
    const { pid } = await this.#node.client.info();
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0);
    const sum = (of: (sandbox: (typeof sandboxes)[number]) => number) =>
      sandboxes.reduce((bytes, sandbox) => bytes + of(sandbox), 0);
    return {
      zones: sum(({ zonesResidentBytes }) => zonesResidentBytes),
      guest: sum((one) => one.residentBytes - one.zonesResidentBytes),
      vmm: sum(({ vmmBytes }) => vmmBytes),
      // What it shares with others, in full.
      controller: (kib('Pss_Anon') + kib('Private_Clean') + kib('Shared_Clean')) * 1024,
    };
  }

  async close(): Promise<void> {
    await this.#node.end();
    await remove(this.#directories);
  }
}

interface Directories {
  readonly runDir: string;
  readonly programDir: string;
}

async function remove({ runDir, programDir }: Directories): Promise<void> {
  await rm(runDir, { recursive: true, force: true });
  await rm(programDir, { recursive: true, force: true });
}

/**
 * A copy of Node.js, out of the page cache: a node's host has no bench that runs the same
 * program, whose pages would then be there already, and would stay.
 */
async function ownProgram(directory: string): Promise<string> {
  const path = join(directory, 'node');
  await copyFile(process.execPath, path);
  const file = await open(path);
  try {
    // What is not written yet can't leave the cache.
    await file.datasync();
  } finally {
    await file.close();
  }
  await dropFromCache([path]);
  return path;
}

const run = promisify(execFile);

/** Drops files from the host's page cache, as far as nobody maps them. */
export async function dropFromCache(paths: readonly string[]): Promise<void> {
  for (const path of paths.filter(existsSync)) {
    await run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

/** Bytes of files that the host's page cache holds: on the bill of who reads them. */
export async function cachedBytes(paths: readonly string[]): Promise<number> {
  const { stdout } = await run('fincore', ['-b', '-n', '-o', 'RES', ...paths]);
  return stdout
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0);
}
