// SPDX-License-Identifier: Apache-2.0
// What the daemon keeps of a container on its own tmpfs: bundle, FIFOs, and a
// record by which a restarted daemon takes it over.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Written before the first step of a start and again when the container runs. */
export interface ContainerRecord {
  readonly containerId: string;
  readonly zoneId: number;
  /** Bytes; the zone's range in guest-physical memory. */
  readonly zone: { readonly addr: number; readonly sizeBytes: number };
  /** 0: it was still being started. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, so that a reused pid can be told. */
  readonly startTime: string;
}

export class ContainerFiles {
  readonly directory: string;

  constructor(root: string, containerId: string) {
    this.directory = join(root, containerId);
  }

  get stdout(): string {
    return join(this.directory, 'stdout');
  }
  get stderr(): string {
    return join(this.directory, 'stderr');
  }
  get pidFile(): string {
    return join(this.directory, 'pid');
  }
  get runtimeLog(): string {
    return join(this.directory, 'crun.log');
  }
  get scratch(): string {
    return join(this.directory, 'rw');
  }
  get rootfs(): string {
    return join(this.directory, 'rootfs');
  }

  async create(): Promise<void> {
    await mkdir(this.directory, { mode: 0o700 });
    await mkdir(this.scratch);
    await mkdir(this.rootfs);
  }

  writeConfig(config: object): Promise<void> {
    return writeFile(join(this.directory, 'config.json'), JSON.stringify(config));
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    const path = join(this.directory, 'record.json');
    await writeFile(`${path}.new`, JSON.stringify(record));
    await rename(`${path}.new`, path);
  }

  /** null: none was written, or half of one. */
  async readRecord(): Promise<ContainerRecord | null> {
    try {
      const text = await readFile(join(this.directory, 'record.json'), 'utf8');
      return JSON.parse(text) as ContainerRecord;
    } catch {
      return null;
    }
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }
}

/** Ids of the containers whose files are here. */
export async function listContainerFiles(root: string): Promise<string[]> {
  await mkdir(root, { recursive: true });
  return (await readdir(root)).sort();
}

/** Field 22 of /proc/<pid>/stat; '' when there is no such process. */
export async function processStartTime(procRoot: string, pid: number): Promise<string> {
  const stat = await readFile(join(procRoot, `${pid}`, 'stat'), 'utf8').catch(() => '');
  // The second field is a name that may hold anything, parentheses too.
  const behindName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return behindName[22 - 3] ?? '';
}
