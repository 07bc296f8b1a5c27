// SPDX-License-Identifier: Apache-2.0
// An empty VM is kept for a while, since booting one is slow; then it is ended.

export interface IdleWatchOptions {
  /** 0: kept until it is deleted. */
  readonly idleMs: number;
  /** Whether nothing of a container is left in it, and it is not ending. */
  readonly isIdle: () => boolean;
  readonly onIdle: () => void;
}

export class IdleWatch {
  readonly #options: IdleWatchOptions;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  /** To be called whenever containers came or went. */
  look(): void {
    this.stop();
    const { idleMs, isIdle, onIdle } = this.#options;
    if (idleMs === 0 || !isIdle()) return;
    this.#timer = setTimeout(() => {
      if (isIdle()) onIdle();
    }, idleMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
