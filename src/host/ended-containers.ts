// SPDX-License-Identifier: Apache-2.0
// Containers that have ended, newest last; only so many are remembered.
import type { ContainerId } from '../protocol/ids.js';
import type { Container } from './containers/container.js';

export class EndedContainers {
  readonly #maxCount: number;
  readonly #containers = new Map<ContainerId, Container>();

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  add(container: Container): void {
    this.#containers.set(container.id, container);
    for (const oldest of this.#containers.keys()) {
      if (this.#containers.size <= this.#maxCount) return;
      this.#containers.delete(oldest);
    }
  }

  get(containerId: ContainerId): Container | undefined {
    return this.#containers.get(containerId);
  }

  all(): readonly Container[] {
    return [...this.#containers.values()];
  }
}
