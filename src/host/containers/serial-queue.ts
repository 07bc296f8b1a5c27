// SPDX-License-Identifier: Apache-2.0
// Runs tasks one after another, in the order in which they came.

export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    // A failed task is its caller's; the next one runs all the same.
    this.#last = result.catch(() => {});
    return result;
  }
}
