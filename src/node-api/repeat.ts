// SPDX-License-Identifier: Apache-2.0
// The same request_id again answers with the first result (AIP-155), so that a
// caller whose connection broke may repeat what it can't know to have happened.
// Failures are not remembered: repeating them is how one tries again.
import { CzoneError } from '../protocol/errors.js';
import { REMEMBERED_REQUESTS_MAX } from './limits.js';

interface Remembered {
  readonly fingerprint: string;
  readonly result: Promise<unknown>;
}

export class Repeats {
  readonly #remembered = new Map<string, Remembered>();

  /**
   * Runs `run` unless this method ran with this `requestId` before; `request` is
   * what it asks for: the same id for something else is refused.
   */
  once<Result>(
    method: string,
    requestId: string,
    request: readonly (string | number)[],
    run: () => Promise<Result>,
  ): Promise<Result> {
    if (requestId === '') return run();
    const key = `${method} ${requestId}`;
    const fingerprint = JSON.stringify(request);
    const before = this.#remembered.get(key);
    if (before) {
      if (before.fingerprint === fingerprint) return before.result as Promise<Result>;
      return Promise.reject(
        new CzoneError(
          'INVALID_ARGUMENT',
          `request_id ${requestId} was used for another ${method}; take a new one`,
          { field: 'request_id' },
        ),
      );
    }
    const result = run();
    const entry = { fingerprint, result };
    this.#remembered.set(key, entry);
    result.catch(() => {
      if (this.#remembered.get(key) === entry) this.#remembered.delete(key);
    });
    if (this.#remembered.size > REMEMBERED_REQUESTS_MAX) {
      const oldest = this.#remembered.keys().next();
      if (!oldest.done) this.#remembered.delete(oldest.value);
    }
    return result;
  }
}
