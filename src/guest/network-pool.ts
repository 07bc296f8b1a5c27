// SPDX-License-Identifier: Apache-2.0
// Network namespaces made ahead: all but the address, so that a container that starts
// in milliseconds need not wait for two programs.
import { randomBytes } from 'node:crypto';
import { messageOf } from '../protocol/errors.js';
import type { Network, PooledNamespace } from './network.js';

/** Programs that run meanwhile would slow down the start that has taken one. */
const REFILL_PAUSE_MS = 300;

export class NetworkPool {
  readonly #network: Pick<Network, 'prepare'>;
  readonly #size: number;
  readonly #complain: (message: string) => void;
  readonly #ready: PooledNamespace[] = [];
  readonly #pauseMs: number;
  #filling = false;
  #refill: NodeJS.Timeout | null = null;

  constructor(
    network: Pick<Network, 'prepare'>,
    size: number,
    complain: (message: string) => void,
    pauseMs = REFILL_PAUSE_MS,
  ) {
    this.#network = network;
    this.#size = size;
    this.#complain = complain;
    this.#pauseMs = pauseMs;
  }

  /** Has a namespace of its own from now on; one that is made now when none is left. */
  async take(): Promise<PooledNamespace> {
    const ready = this.#ready.pop();
    if (ready !== undefined) {
      this.#fillLater();
      return ready;
    }
    const name = newName();
    await this.#network.prepare([name]);
    this.fill();
    return name;
  }

  /** In the background. */
  fill(): void {
    if (!this.#filling) void this.#fill();
  }

  /** When nobody has taken one for a moment; at once when none is left. */
  #fillLater(): void {
    if (this.#refill !== null) clearTimeout(this.#refill);
    this.#refill = null;
    if (this.#ready.length === 0) this.fill();
    else this.#refill = setTimeout(() => this.fill(), this.#pauseMs);
  }

  async #fill(): Promise<void> {
    this.#filling = true;
    while (this.#ready.length < this.#size) {
      const names = Array.from({ length: this.#size - this.#ready.length }, newName);
      try {
        await this.#network.prepare(names);
      } catch (error) {
        this.#complain(`No network namespaces are made ahead: ${messageOf(error)}`);
        break;
      }
      this.#ready.push(...names);
    }
    this.#filling = false;
  }
}

function newName(): PooledNamespace {
  return `n-${randomBytes(6).toString('hex')}` as PooledNamespace;
}
