// SPDX-License-Identifier: Apache-2.0
// The logs of the node's containers: one bounded log each, of the ended ones only
// the newest.
import path from 'node:path';
import { CzoneError } from '../../protocol/errors.js';
import type { ContainerId } from '../../protocol/ids.js';
import { LIMITS } from '../limits.js';
import { BoundedLog } from './bounded-log.js';

export class ContainerLogs {
  readonly #directory: string;
  readonly #logs = new Map<ContainerId, BoundedLog>();
  /** Oldest first. */
  readonly #ended: ContainerId[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  open(containerId: ContainerId): void {
    const file = path.join(this.#directory, `${containerId}.log`);
    this.#logs.set(containerId, new BoundedLog(file, LIMITS.logFileBytes));
  }

  /** What the guest sends about a container that is not ours is dropped. */
  append(containerId: ContainerId, data: Uint8Array, droppedBytes: number): void {
    const log = this.#logs.get(containerId);
    if (log === undefined) return;
    if (droppedBytes > 0) log.append(Buffer.from(`[${droppedBytes} bytes were dropped here]\n`));
    log.append(data);
  }

  end(containerId: ContainerId): void {
    const log = this.#logs.get(containerId);
    if (log === undefined || this.#ended.includes(containerId)) return;
    log.end();
    this.#ended.push(containerId);
    while (this.#ended.length > LIMITS.exitedLogs) {
      const oldest = this.#ended.shift();
      if (oldest !== undefined) this.#remove(oldest);
    }
  }

  read(
    containerId: ContainerId,
    options: { follow: boolean; tailBytes: number; signal: AbortSignal },
  ): AsyncIterable<Uint8Array> {
    const log = this.#logs.get(containerId);
    if (log === undefined) {
      throw new CzoneError('NOT_FOUND', `no log of container ${containerId} is kept`);
    }
    return log.stream(options);
  }

  /** Of a container that never ran. */
  discard(containerId: ContainerId): void {
    this.#remove(containerId);
  }

  removeAll(): void {
    for (const containerId of [...this.#logs.keys()]) this.#remove(containerId);
  }

  #remove(containerId: ContainerId): void {
    this.#logs.get(containerId)?.remove();
    this.#logs.delete(containerId);
  }
}
