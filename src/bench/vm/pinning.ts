// SPDX-License-Identifier: Apache-2.0
// A guest's second processor on a processor of the host that nothing else of the bench uses.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';
import type { BenchVm } from './bench-vm.js';

const run = promisify(execFile);
const Processors = z.array(z.object({ 'cpu-index': z.number(), 'thread-id': z.number() }));
const PINNED_INDEX = 1;

/** Of a list as in /proc/PID/status: "0-2,5". */
export function parseProcessorList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export class Pinning {
  readonly #all: readonly number[];

  private constructor(all: readonly number[]) {
    this.#all = all;
  }

  /** The bench itself leaves the last of its processors. */
  static async begin(): Promise<Pinning> {
    const status = readFileSync('/proc/self/status', 'latin1');
    const all = parseProcessorList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? '0');
    const pinning = new Pinning(all);
    await pinning.#place(process.pid, pinning.#others);
    return pinning;
  }

  /** All threads of the VM leave it, too, but that of its second processor. */
  async pin(vm: BenchVm): Promise<void> {
    const processors = Processors.parse(await vm.qmp.command('query-cpus-fast'));
    const second = processors.find((one) => one['cpu-index'] === PINNED_INDEX);
    if (!second) throw new CzoneError('INTERNAL', 'a VM of the bench has no second processor');
    await this.#place(vm.pid, this.#others);
    await run('taskset', ['-p', '-c', `${this.#all.at(-1)}`, `${second['thread-id']}`]);
  }

  async end(): Promise<void> {
    await this.#place(process.pid, this.#all);
  }

  /** All of them, where there is only one. */
  get #others(): readonly number[] {
    return this.#all.length > 1 ? this.#all.slice(0, -1) : this.#all;
  }

  async #place(pid: number, processors: readonly number[]): Promise<void> {
    await run('taskset', ['-a', '-p', '-c', processors.join(), `${pid}`]);
  }
}
