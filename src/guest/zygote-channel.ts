// SPDX-License-Identifier: Apache-2.0
// The daemon's end of a zygote's channel (docs/zygote.md): requests to fork, and what
// became of them. A zygote runs a tenant's code: what it says is checked, and a word
// that makes no sense ends the channel.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../protocol/errors.js';
import { decodeReply, encodeFork, type ZygoteReply } from '../protocol/zygote.js';
import type { GuestAddon } from './native.js';

/** A fork takes milliseconds; under emulation and load, more of them. */
const FORK_TIMEOUT_MS = 20_000;

export type ForkResult =
  | { readonly kind: 'forked' }
  /** There is no child. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Whether there is a child is not known; the channel is closed. */
  | { readonly kind: 'lost'; readonly reason: string };

export type ReadyResult =
  | { readonly kind: 'ready'; readonly runtime: string }
  /** `byItself`: it has said so; else its channel is at its end. */
  | { readonly kind: 'refused'; readonly reason: string; readonly byItself: boolean };

export class ZygoteChannel {
  readonly #addon: GuestAddon;
  readonly #fd: number;
  readonly #waiting = new Map<bigint, (result: ForkResult) => void>();
  /** Fulfilled with its first word, or with the end of the channel. */
  readonly ready: Promise<ReadyResult>;
  /** Fulfilled when it is of no more use. */
  readonly closed: Promise<void>;
  #resolveReady!: (result: ReadyResult) => void;
  #resolveClosed!: () => void;
  #nextId: bigint;
  #open = true;

  /** `firstId`: no id that an earlier daemon may have used is used again. */
  constructor(addon: GuestAddon, fd: number, firstId: bigint) {
    this.#addon = addon;
    this.#fd = fd;
    this.#nextId = firstId;
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    void this.#listen();
  }

  get open(): boolean {
    return this.#open;
  }

  /** The descriptors stay the caller's. */
  async fork(
    environment: readonly string[],
    descriptors: readonly [zone: number, stdout: number, stderr: number],
  ): Promise<ForkResult> {
    if (!this.#open) return { kind: 'refused', reason: 'the zygote has ended' };
    const id = this.#nextId;
    this.#nextId += 1n;
    const message = encodeFork(id, environment);
    if (message === null) {
      return { kind: 'refused', reason: 'its environment is longer than a zygote takes' };
    }
    try {
      this.#addon.sendMessage(this.#fd, message, descriptors);
    } catch (error) {
      return { kind: 'refused', reason: `the zygote takes no request (${messageOf(error)})` };
    }
    const answer = new Promise<ForkResult>((resolve) => this.#waiting.set(id, resolve));
    const timeout = new AbortController();
    const late = sleep(FORK_TIMEOUT_MS, undefined, { signal: timeout.signal }).then(
      () => this.close(`the zygote has not answered within ${FORK_TIMEOUT_MS} ms`),
      () => {},
    );
    const result = await answer;
    timeout.abort();
    await late;
    return result;
  }

  /** Who waits gets an answer. */
  close(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#resolveReady({ kind: 'refused', reason, byItself: false });
    for (const resolve of this.#waiting.values()) resolve({ kind: 'lost', reason });
    this.#waiting.clear();
    // Ends the wait in #listen(), which then closes the descriptor.
    this.#addon.shutDown(this.#fd);
    this.#resolveClosed();
  }

  async #listen(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#addon.receiveMessage(this.#fd);
        if (message === null) break;
        if (!this.#open) break;
        const reply = decodeReply(message);
        if (reply === null) {
          this.close('the zygote has said what makes no sense');
          break;
        }
        this.#take(reply);
      }
      this.close('the zygote has ended');
    } catch (error) {
      this.close(`the channel of the zygote has failed: ${messageOf(error)}`);
    } finally {
      this.#addon.closeFd(this.#fd);
    }
  }

  #take(reply: ZygoteReply): void {
    if (reply.kind === 'ready') {
      this.#resolveReady(reply);
      return;
    }
    if (reply.kind === 'refused' && reply.id === 0n) {
      this.#resolveReady({ kind: 'refused', reason: reply.reason, byItself: true });
      return;
    }
    const resolve = this.#waiting.get(reply.id);
    // Of an earlier daemon's request, perhaps.
    if (resolve === undefined) return;
    this.#waiting.delete(reply.id);
    if (reply.kind === 'forked') resolve({ kind: 'forked' });
    else if (reply.kind === 'refused') resolve({ kind: 'refused', reason: reply.reason });
    else resolve({ kind: 'refused', reason: `its fork failed: ${reply.reason}` });
  }
}

/** Where a daemon that takes a zygote over begins to count: later than any before it. */
export function firstRequestId(nowMs: number = Date.now()): bigint {
  return BigInt(Math.floor(nowMs)) << 20n;
}

export function notByZygote(reason: string): CzoneError {
  return new CzoneError('FAILED_PRECONDITION', `It can't be started by a zygote: ${reason}.`);
}
