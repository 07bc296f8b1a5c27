// SPDX-License-Identifier: Apache-2.0
// The demo's own node: the product's command in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';

const ANSWER_MS = 120_000;
const END_MS = 60_000;
const OUTPUT_MAX_BYTES = 16 * 1024;

export class NodeProcess {
  readonly client: NodeClient;
  readonly #child: ChildProcess;
  readonly #runDir: string;
  readonly #ended: Promise<number | null>;
  #hasEnded = false;
  #output = '';

  private constructor(child: ChildProcess, runDir: string, logPath: string) {
    this.#child = child;
    this.#runDir = runDir;
    this.client = new NodeClient(join(runDir, 'node.sock'));
    const log = createWriteStream(logPath);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        log.write(data);
        this.#output = (this.#output + data.toString()).slice(-OUTPUT_MAX_BYTES);
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#output += error.message;
        this.#hasEnded = true;
        resolve(null);
      });
      child.once('close', (code) => {
        log.end();
        this.#hasEnded = true;
        resolve(code);
      });
    });
  }

  /** `command`: Node's arguments before those of `node start`. Rejects with what the node printed. */
  static async start(
    command: readonly string[],
    options: {
      runDir: string;
      logPath: string;
      args: readonly string[];
      signal: AbortSignal;
      /** Node.js; default: the one that runs us. */
      program?: string;
    },
  ): Promise<NodeProcess> {
    await mkdir(options.runDir, { recursive: true, mode: 0o700 });
    const child = spawn(
      options.program ?? process.execPath,
      [...command, 'node', 'start', '--run-dir', options.runDir, ...options.args],
      // Its own group: Ctrl-C is for the demo, which then ends the node in order.
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    const node = new NodeProcess(child, options.runDir, options.logPath);
    const deadlineMs = Date.now() + ANSWER_MS;
    while (!(await node.#answers())) {
      if (node.#hasEnded || Date.now() > deadlineMs || options.signal.aborted) {
        await node.end();
        options.signal.throwIfAborted();
        throw new CzoneError(
          'UNAVAILABLE',
          `the demo's node did not come up; it printed:\n${node.#output}`,
        );
      }
      await delay(100);
    }
    return node;
  }

  get output(): string {
    return this.#output;
  }

  /** Ends the node in order; by force when it takes too long. Its exit code. */
  async end(): Promise<number | null> {
    this.client.close();
    if (!this.#hasEnded) this.#child.kill('SIGTERM');
    const overdue = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(overdue);
    }
  }

  /** Files in the run directory. */
  async filesLeft(): Promise<string[]> {
    try {
      const entries = await readdir(this.#runDir, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name));
    } catch {
      return [];
    }
  }

  /** Processes whose command line names the run directory, this one excepted. */
  async processesLeft(): Promise<string[]> {
    const left: string[] = [];
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const [program, ...args] = commandLine.split('\0');
      // Whoever started the demo may have named the directory too.
      if (args.includes('demo')) continue;
      if (args.some((arg) => arg.includes(this.#runDir))) left.push(`${pid} (${program})`);
    }
    return left;
  }

  #answers(): Promise<boolean> {
    return this.client.info({ timeoutMs: 2_000 }).then(
      () => true,
      () => false,
    );
  }
}
