// SPDX-License-Identifier: Apache-2.0
// The process that makes sandboxes for zygotes' children: it is started when first one
// may be needed, and again when it has ended.
import { messageOf } from '../protocol/errors.js';
import type { GuestAddon } from './native.js';
import {
  decodeSandboxReply,
  encodeMake,
  OUTSIDE,
  type SandboxFailure,
  type SandboxReply,
} from './sandbox-request.js';

/** What became of a helper. */
export interface Helper {
  /** 0: there is and was none, or it is not known. */
  readonly pid: number;
  readonly failure: SandboxFailure | null;
}

export interface SandboxMakerParts {
  readonly addon: Pick<GuestAddon, 'makeChannel' | 'sendMessage' | 'receiveMessage' | 'closeFd'>;
  /** Starts the program, whose descriptor 3 is this end of the channel. */
  readonly start: (channel: number) => void;
  readonly complain: (message: string) => void;
}

/** One run of the program. */
interface Run {
  readonly fd: number;
  readonly waiting: Map<bigint, (helper: Helper) => void>;
  readonly failures: Map<bigint, SandboxFailure>;
}

export class SandboxMaker {
  readonly #parts: SandboxMakerParts;
  #run: Run | null = null;
  #nextId = 1n;

  constructor(parts: SandboxMakerParts) {
    this.#parts = parts;
  }

  /** So that the first who needs a sandbox need not wait for it. Nothing depends on it. */
  warm(): void {
    try {
      this.#running();
    } catch (error) {
      this.#parts.complain(`The sandbox maker does not start: ${messageOf(error)}`);
    }
  }

  /** The descriptors stay the caller's. Answers when the helper has ended. */
  async make(
    steps: string,
    descriptors: readonly [zone: number, cgroup: number, network: number],
  ): Promise<Helper> {
    const id = this.#nextId;
    this.#nextId += 1n;
    const message = encodeMake(id, steps);
    if (message === null) return { pid: 0, failure: { step: OUTSIDE.fork, code: 'E2BIG' } };
    let run: Run;
    try {
      run = this.#running();
      this.#parts.addon.sendMessage(run.fd, message, descriptors);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? messageOf(error);
      return { pid: 0, failure: { step: OUTSIDE.fork, code } };
    }
    return new Promise((resolve) => run.waiting.set(id, resolve));
  }

  #running(): Run {
    if (this.#run !== null) return this.#run;
    const { addon, start } = this.#parts;
    const [fd, end] = addon.makeChannel();
    try {
      start(end);
    } catch (error) {
      addon.closeFd(fd);
      throw error;
    } finally {
      addon.closeFd(end);
    }
    const run = { fd, waiting: new Map(), failures: new Map() };
    this.#run = run;
    void this.#listen(run);
    return run;
  }

  async #listen(run: Run): Promise<void> {
    const { addon, complain } = this.#parts;
    try {
      for (;;) {
        const message = await addon.receiveMessage(run.fd);
        if (message === null) throw new Error('it has ended');
        const reply = decodeSandboxReply(message);
        if (reply === null) throw new Error('it has said what makes no sense');
        take(run, reply);
      }
    } catch (error) {
      complain(`The sandbox maker is started anew when it is needed: ${messageOf(error)}`);
    }
    this.#run = null;
    addon.closeFd(run.fd);
    const failure = { step: OUTSIDE.lost, code: 'lost' };
    for (const resolve of run.waiting.values()) resolve({ pid: 0, failure });
  }
}

function take({ waiting, failures }: Run, reply: SandboxReply): void {
  const { id } = reply;
  if (reply.kind === 'failed') {
    if (waiting.has(id)) failures.set(id, reply.failure);
    return;
  }
  const told = failures.get(id);
  failures.delete(id);
  const failure = reply.succeeded ? null : (told ?? { step: OUTSIDE.killed, code: 'killed' });
  waiting.get(id)?.({ pid: reply.pid, failure });
  waiting.delete(id);
}
