// SPDX-License-Identifier: Apache-2.0
// The agent in the guest (vm-images/bench/agent.c) as the host uses it: one order at a
// time, each answered by a line of JSON.
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';

const Answer = z.looseObject({ ok: z.boolean(), error: z.string().optional() });
const Took = z.object({ ns: z.number() });
const Visit = z.object({ ns: z.number(), forkNs: z.number() });
const Memory = z.object({ totalKib: z.number(), freeKib: z.number(), availableKib: z.number() });
const Work = z.object({
  count: z.number(),
  meanNs: z.number(),
  medianNs: z.number(),
  p99Ns: z.number(),
});
const Status = z.object({ status: z.number() });

export type WorkDone = z.infer<typeof Work>;

const BOOT_MS = 120_000;
const ORDER_MS = 300_000;
const CONNECT_TRY_MS = 20;

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Guest {
  readonly #socket: Socket;
  readonly #answers: unknown[] = [];
  #waiting: Waiting | null = null;
  #output: string[] = [];
  #gone: CzoneError | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#take(line));
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
  }

  /** Waits until the guest is up. `alive`: whether it is still worth it. */
  static async connect(socketPath: string, alive: () => boolean): Promise<Guest> {
    const socket = await reach(socketPath, alive);
    const guest = new Guest(socket);
    await guest.#answer(BOOT_MS, 'the boot');
    return guest;
  }

  /** Round trip of an order that does nothing, ms. */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.#order('ping');
    return performance.now() - start;
  }

  /** `zone` 0: outside of zones. `huge`: with transparent huge pages. */
  async startHog(id: number, zone: number, bytes: number, huge: boolean): Promise<number> {
    const pages = huge ? 'huge' : 'small';
    return Took.parse(await this.#order(`hog ${id} ${zone} ${bytes} ${pages}`)).ns;
  }

  /** All of their memory, in turns, so much of each at a time. */
  async fillHogs(ids: readonly number[], chunkKib: number): Promise<void> {
    await this.#order(`fill ${chunkKib} ${ids.join(' ')}`);
  }

  /** Nanoseconds until the process was gone, as the guest counts them. */
  async killHog(id: number): Promise<number> {
    return Took.parse(await this.#order(`kill ${id}`)).ns;
  }

  async writeHog(id: number, offset: number, bytes: number): Promise<number> {
    return Took.parse(await this.#order(`write ${id} ${offset} ${bytes}`)).ns;
  }

  async dropHog(id: number, offset: number, bytes: number): Promise<number> {
    return Took.parse(await this.#order(`drop ${id} ${offset} ${bytes}`)).ns;
  }

  /** memory.reclaim of the hog's cgroup. */
  async reclaimHog(id: number, bytes: number): Promise<number> {
    return Took.parse(await this.#order(`reclaim ${id} ${bytes}`)).ns;
  }

  /** A process that comes, touches so much, and ends. */
  async visit(zone: number, bytes: number): Promise<z.infer<typeof Visit>> {
    return Visit.parse(await this.#order(`visit ${zone} ${bytes}`));
  }

  async startNeighbour(kind: 'quantum' | 'stream'): Promise<void> {
    await this.#order(`neighbour ${kind}`);
  }

  async stopNeighbour(): Promise<WorkDone> {
    return Work.parse(await this.#order('neighbour-end'));
  }

  async memory(): Promise<z.infer<typeof Memory>> {
    return Memory.parse(await this.#order('memory'));
  }

  async swapTo(device: string): Promise<void> {
    await this.#order(`swap ${device}`);
  }

  async set(path: string, value: string): Promise<void> {
    await this.#order(`set ${path} ${value}`);
  }

  /** Its output, lines. */
  async run(words: readonly string[], timeoutMs: number): Promise<string[]> {
    this.#output = [];
    const { status } = Status.parse(await this.#order(`run ${words.join(' ')}`, timeoutMs));
    const output = this.#output;
    if (status !== 0) {
      const last = output.slice(-5).join('\n');
      throw new CzoneError('INTERNAL', `${words.join(' ')} ended with status ${status}:\n${last}`);
    }
    return output;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #order(line: string, timeoutMs = ORDER_MS): Promise<unknown> {
    if (this.#gone !== null) throw this.#gone;
    this.#socket.write(`${line}\n`);
    const answer = Answer.parse(await this.#answer(timeoutMs, `'${line.slice(0, 60)}'`));
    if (!answer.ok) {
      throw new CzoneError('INTERNAL', `the bench guest refused '${line}': ${answer.error ?? ''}`);
    }
    return answer;
  }

  async #answer(timeoutMs: number, what: string): Promise<unknown> {
    const ready = this.#answers.shift();
    if (ready !== undefined) return ready;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        if (this.#gone !== null) {
          reject(this.#gone);
          return;
        }
        this.#waiting = { resolve, reject };
        const late = () =>
          reject(
            new CzoneError('DEADLINE_EXCEEDED', `the bench guest did not finish ${what} in time`),
          );
        timer = setTimeout(late, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }

  #take(line: string): void {
    if (line.startsWith('#')) {
      this.#output.push(line.slice(1));
      return;
    }
    let answer: unknown;
    try {
      answer = JSON.parse(line);
    } catch {
      answer = { ok: false, error: `it said: ${line.slice(0, 80)}` };
    }
    if (this.#waiting === null) this.#answers.push(answer);
    else this.#waiting.resolve(answer);
  }

  #end(): void {
    this.#gone ??= new CzoneError('UNAVAILABLE', 'the bench guest is gone');
    this.#waiting?.reject(this.#gone);
  }
}

async function reach(path: string, alive: () => boolean): Promise<Socket> {
  for (;;) {
    const socket = createConnection(path);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
    if (!alive()) throw new CzoneError('UNAVAILABLE', "the bench's VM ended before it was up");
    await delay(CONNECT_TRY_MS);
  }
}
