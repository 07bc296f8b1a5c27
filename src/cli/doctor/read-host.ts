// SPDX-License-Identifier: Apache-2.0
// Reads what `czone doctor` judges. Reading fails as a fact, never as an error.
import { execFile } from 'node:child_process';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../protocol/errors.js';
import { MIB } from '../../protocol/units.js';
import type { HostFacts, NodeFacts } from './facts.js';

/** dist/src/cli/doctor lies four folders below the checkout. */
const CHECKOUT = fileURLToPath(new URL('../../../../', import.meta.url));

export interface DoctorSources {
  readonly runDir: string;
  readonly cacheDir: string;
  /** What is not built yet; rejects where that can't be told. */
  readonly missingArtifacts: () => Promise<readonly string[]>;
  /** KVM or not, and why. */
  readonly accelerator: () => Promise<HostFacts['accelerator']>;
}

export async function readHost(sources: DoctorSources): Promise<HostFacts> {
  const [release, packageJson, memInfo] = await Promise.all([
    text('/etc/os-release'),
    text(join(CHECKOUT, 'package.json')),
    text('/proc/meminfo'),
  ]);
  return {
    system: system(release),
    architecture: process.arch,
    nodeVersion: process.versions.node,
    nodeVersionMin: /"node": *">=([\d.]+)"/.exec(packageJson)?.[1] ?? '0',
    uid: process.getuid?.() ?? -1,
    missingPackages: await missingPackages(),
    addonError: await addonError(),
    accelerator: await sources.accelerator(),
    availableMemoryBytes: Number(/^MemAvailable:\s+(\d+) kB/m.exec(memInfo)?.[1] ?? 0) * 1024,
    memoryLimitBytes: await memoryLimit(),
    overcommitMode: Number(await text('/proc/sys/vm/overcommit_memory')),
    memfdNoexec: Number(await text('/proc/sys/vm/memfd_noexec')),
    openFilesMax: openFiles(await text('/proc/self/limits')),
    cacheDir: sources.cacheDir,
    cacheFreeBytes: await freeBytes(sources.cacheDir),
    missingArtifacts: await sources.missingArtifacts().catch((error) => [messageOf(error)]),
    runDir: sources.runDir,
    node: await nodeAt(sources.runDir),
  };
}

async function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function system(release: string): HostFacts['system'] {
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  const ids = `${value('ID')} ${value('ID_LIKE')}`.split(/\s+/).filter((id) => id !== '');
  return { ids, version: value('VERSION_ID'), name: value('PRETTY_NAME') };
}

async function missingPackages(): Promise<string[] | null> {
  const list = await text(join(CHECKOUT, 'vm-images', 'host-packages.txt'));
  const wanted = list
    .replace(/#.*/g, '')
    .split(/\s+/)
    .filter((name) => name !== '');
  try {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
    const format = ['-W', '-f', '${db:Status-Status} ${Package}\\n'];
    const { stdout } = await promisify(execFile)('dpkg-query', format, { maxBuffer: 16 * MIB });
    const installed = new Set(
      stdout.split('\n').flatMap((line) => (line.startsWith('installed ') ? [line.slice(10)] : [])),
    );
    return wanted.filter((name) => !installed.has(name));
  } catch {
    return null;
  }
}

async function addonError(): Promise<string | null> {
  const { loadHostAddon } = await import('../../host/device/addon.js');
  try {
    loadHostAddon();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** memory.max of the nearest group that has one (cgroup v2). */
async function memoryLimit(): Promise<number | null> {
  const own = /^0::(.*)$/m.exec(await text('/proc/self/cgroup'))?.[1];
  if (own === undefined) return null;
  let least: number | null = null;
  for (let path = own; ; path = dirname(path)) {
    const limit = (await text(join('/sys/fs/cgroup', path, 'memory.max'))).trim();
    if (/^\d+$/.test(limit)) least = Math.min(least ?? Number.POSITIVE_INFINITY, Number(limit));
    if (path === '/' || path === '.') return least;
  }
}

function openFiles(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard);
}

/** Of the file system that the folder is on, or would be. null: it can't be made. */
async function freeBytes(folder: string): Promise<number | null> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found === null && at !== dirname(at)) continue;
    if (found?.isDirectory() !== true) return null;
    const writable = await access(at, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!writable) return null;
    const { bavail, bsize } = await statfs(at);
    return bavail * bsize;
  }
}

/** Looks only; nothing is cleaned up. */
async function nodeAt(runDir: string): Promise<NodeFacts> {
  const [{ readNodeRecord }, { runDirPaths }, { processTable }] = await Promise.all([
    import('../../host/state/records.js'),
    import('../../host/state/run-dir.js'),
    import('../../host/state/processes.js'),
  ]);
  try {
    const record = await readNodeRecord(runDirPaths(runDir).nodeRecord);
    if (record === null) return { kind: 'none' };
    const table = processTable();
    const lives =
      record.bootId === (await table.bootId()) &&
      (await table.startTime(record.pid)) === record.startTime;
    return lives ? { kind: 'running', pid: record.pid } : { kind: 'dead' };
  } catch (error) {
    return { kind: 'unusable', why: messageOf(error) };
  }
}
