// SPDX-License-Identifier: Apache-2.0
// A real node for tests: the product's own command in a process of its own, on a
// run directory that the test throws away.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runInGuest } from '../../src/bench/guest-shell.js';
import { NodeClient } from '../../src/node-api/client.js';
import { MIB } from '../../src/protocol/units.js';

export const CLI = resolve('dist/src/cli/main.js');

/** Among the arguments of a node: it makes zygotes. */
export const WITH_ZYGOTES = 'with-zygotes';

/** Generous: everything is slow under emulation. */
const START_MS = 60_000;
const END_MS = 60_000;

export class NodeUnderTest {
  readonly runDir: string;
  readonly client: NodeClient;
  readonly process: ChildProcess;
  #output = '';

  private constructor(runDir: string, child: ChildProcess) {
    this.runDir = runDir;
    this.process = child;
    this.client = new NodeClient(join(runDir, 'node.sock'));
    child.stdout?.on('data', (data: Buffer) => this.#keep(data));
    child.stderr?.on('data', (data: Buffer) => this.#keep(data));
  }

  static async start(args: readonly string[] = [], runDir?: string): Promise<NodeUnderTest> {
    const directory = runDir ?? (await mkdtemp(join(tmpdir(), 'czone-test-')));
    // Another guest kernel than the built one: of somebody who works on it.
    const kernel = process.env['CZONE_TEST_KERNEL'];
    // Whoever tests zygotes says so: else a start would depend on what was started before.
    const ways = args.includes(WITH_ZYGOTES) ? [] : ['--no-zygote'];
    const given = args.filter((argument) => argument !== WITH_ZYGOTES);
    const all = [...given, ...ways, ...(kernel === undefined ? [] : ['--kernel', kernel])];
    const child = spawn(
      process.execPath,
      [CLI, 'node', 'start', '--run-dir', directory, '--debug-shell', ...all],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const node = new NodeUnderTest(directory, child);
    const deadline = Date.now() + START_MS;
    for (;;) {
      const answered = await node.client.info({ timeoutMs: 2_000 }).then(
        () => true,
        () => false,
      );
      if (answered) return node;
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`the node did not come up:\n${node.output}`);
      }
      await delay(100);
    }
  }

  /** The last of what the node printed. */
  get output(): string {
    return this.#output.slice(-20_000);
  }

  /** Ends it cleanly and removes its run directory. */
  async close(): Promise<void> {
    this.client.close();
    if (!this.hasEnded) this.process.kill('SIGTERM');
    await this.ended();
    await rm(this.runDir, { recursive: true, force: true });
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  async ended(): Promise<void> {
    const deadline = Date.now() + END_MS;
    while (!this.hasEnded) {
      if (Date.now() > deadline) {
        this.process.kill('SIGKILL');
        throw new Error(`the node did not end:\n${this.output}`);
      }
      await delay(50);
    }
  }

  /** Runs a command in the guest of a sandbox, as root, by the debug shell. */
  shell(sandboxId: string, command: string): Promise<string> {
    return runInGuest(join(this.runDir, 'vms', sandboxId, 'shell.sock'), command);
  }

  #keep(data: Buffer): void {
    this.#output = (this.#output + data.toString()).slice(-100_000);
  }
}

/** Polls until the condition holds; the text says what was waited for. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 90_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out waiting for: ${what}`);
    await delay(100);
  }
}

/** Processes whose command line mentions the text (a run directory, say). */
export async function processesNaming(text: string): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(text)) pids.push(Number(name));
  }
  return pids;
}

/** Bytes of anonymous memory files that no process of this text holds any more show here. */
export async function shmemBytes(): Promise<number> {
  const meminfo = await readFile('/proc/meminfo', 'utf8');
  const match = /^Shmem:\s+(\d+) kB$/m.exec(meminfo);
  if (!match) throw new Error('/proc/meminfo has no Shmem line');
  return Number(match[1]) * 1024;
}

export async function leftovers(runDir: string): Promise<string[]> {
  if (!existsSync(runDir)) return [];
  return (await readdir(runDir)).sort();
}

export const SMALL_BYTES = 48 * MIB;
