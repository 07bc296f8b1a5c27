// SPDX-License-Identifier: Apache-2.0
// Addresses of containers on the bridge of their VM: 10.0.2.30 to 10.0.2.229. Pure.
import { LIMITS } from '../limits.js';

export class GuestAddresses {
  readonly #used = new Set<number>();
  #next = 0;

  /** The next one in turn, so that a port's last answers never reach a new container. */
  take(): string | null {
    for (let step = 0; step < LIMITS.containersPerSandbox; step += 1) {
      const index = (this.#next + step) % LIMITS.containersPerSandbox;
      if (this.#used.has(index)) continue;
      this.#used.add(index);
      this.#next = index + 1;
      return `10.0.2.${LIMITS.firstGuestAddress + index}`;
    }
    return null;
  }

  release(address: string): void {
    this.#used.delete(Number(address.split('.')[3]) - LIMITS.firstGuestAddress);
  }
}
