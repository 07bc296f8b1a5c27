// SPDX-License-Identifier: Apache-2.0
// Whom a VM that is resized as a whole has room for: it grows only where the room does
// not do.
export class Admitted {
  readonly #bytes = new Map<number, number>();

  /** What the VM must have for containers, with this one. */
  add(id: number, bytes: number): number {
    this.#bytes.set(id, bytes);
    return [...this.#bytes.values()].reduce((sum, each) => sum + each, 0);
  }

  remove(id: number): void {
    this.#bytes.delete(id);
  }
}
