// SPDX-License-Identifier: Apache-2.0
// Requests that may be repeated: the same request_id gets the first result. Failures
// are not remembered, so that a repeat tries again. Bounded in number and time.
import { isDeepStrictEqual } from 'node:util';
import { CzoneError } from '../../protocol/errors.js';

interface Entry<Result> {
  readonly content: unknown;
  readonly result: Promise<Result>;
  readonly abort: AbortController;
  waiting: number;
  done: boolean;
  readonly startedMs: number;
}

export interface RememberedOptions {
  readonly maxEntries: number;
  readonly keepMs: number;
  readonly nowMs: () => number;
}

export class RememberedRequests<Result> {
  readonly #options: RememberedOptions;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry<Result>>();

  constructor(options: RememberedOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` once for a request_id; an empty one is never remembered. The work is
   * aborted when everybody who waits for it has gone.
   * INVALID_ARGUMENT: the same id came with other content.
   */
  async run(
    requestId: string,
    content: unknown,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    if (requestId === '') return work(signal);
    this.#forget();
    const known = this.#entries.get(requestId);
    if (known !== undefined && !isDeepStrictEqual(known.content, content)) {
      throw new CzoneError(
        'INVALID_ARGUMENT',
        `request_id ${requestId} was used for another request: take a new one`,
        { field: 'request_id' },
      );
    }
    const entry = known ?? this.#begin(requestId, content, work);
    return this.#wait(entry, signal);
  }

  get size(): number {
    return this.#entries.size;
  }

  #begin(
    requestId: string,
    content: unknown,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Entry<Result> {
    const abort = new AbortController();
    const entry: Entry<Result> = {
      content,
      result: work(abort.signal),
      abort,
      waiting: 0,
      done: false,
      startedMs: this.#options.nowMs(),
    };
    this.#entries.set(requestId, entry);
    entry.result.then(
      () => {
        entry.done = true;
      },
      () => {
        if (this.#entries.get(requestId) === entry) this.#entries.delete(requestId);
      },
    );
    return entry;
  }

  async #wait(entry: Entry<Result>, signal: AbortSignal): Promise<Result> {
    entry.waiting += 1;
    const leave = () => {
      entry.waiting -= 1;
      if (entry.waiting === 0 && !entry.done) entry.abort.abort(signal.reason);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    try {
      return await entry.result;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Running ones are never dropped. */
  #forget(): void {
    const oldestMs = this.#options.nowMs() - this.#options.keepMs;
    for (const [requestId, entry] of this.#entries) {
      const tooMany = this.#entries.size >= this.#options.maxEntries;
      if (!tooMany && entry.startedMs >= oldestMs) break;
      if (entry.done) this.#entries.delete(requestId);
    }
  }
}
