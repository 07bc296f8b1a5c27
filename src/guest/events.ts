// SPDX-License-Identifier: Apache-2.0
// What the host is told unasked: output and exits. One watcher at a time; exits are
// kept and told every new watcher again, since a stream that broke may have lost them.
import type { ContainerExit, WatchResponse } from '../protocol/gen/czone/guest/v1/agent.js';
import { EXITS_KEPT } from '../protocol/limits.js';
import type { Sink } from '../protocol/rpc/server.js';
import { type LogBudget, LogBuffer } from './log-buffer.js';

export type Watcher = Sink<WatchResponse>;

interface ContainerLogs {
  readonly streams: readonly [LogBuffer, LogBuffer];
  finished: boolean;
}

/**
 * Lines often come in groups, and the first of them while a container starts, when the
 * daemon has other things to do than to send each by itself.
 */
const OUTPUT_PAUSE_MS = 20;

export class Events {
  readonly #budget: LogBudget = { usedBytes: 0 };
  readonly #logs = new Map<string, ContainerLogs>();
  #exits: ContainerExit[] = [];
  /** Exits that the present watcher has not been sent. */
  #unsent: ContainerExit[] = [];
  #watcher: Watcher | null = null;
  #pumping = false;
  readonly #outputPauseMs: number;
  #outputTimer: NodeJS.Timeout | null = null;

  constructor(outputPauseMs = OUTPUT_PAUSE_MS) {
    this.#outputPauseMs = outputPauseMs;
  }

  /** Takes the place of the watcher before. `snapshot` is sent first. */
  attach(watcher: Watcher, snapshot: WatchResponse): void {
    const before = this.#watcher;
    this.#watcher = watcher;
    before?.end();
    watcher.send(snapshot);
    this.#unsent = [...this.#exits];
    void this.#pump();
  }

  /** The buffers of stdout and stderr of a container. */
  logsOf(id: string): readonly [LogBuffer, LogBuffer] {
    let logs = this.#logs.get(id);
    if (!logs) {
      logs = {
        streams: [new LogBuffer(this.#budget), new LogBuffer(this.#budget)],
        finished: false,
      };
      this.#logs.set(id, logs);
    }
    return logs.streams;
  }

  /** Output was appended; it is sent in a moment, with what follows. */
  wake(): void {
    this.#outputTimer ??= setTimeout(() => {
      this.#outputTimer = null;
      void this.#pump();
    }, this.#outputPauseMs).unref();
  }

  /** No more output comes of a container; what is held is still sent. */
  finish(id: string): void {
    const logs = this.#logs.get(id);
    if (logs) logs.finished = true;
    void this.#pump();
  }

  exit(exit: ContainerExit): void {
    this.#exits.push(exit);
    if (this.#exits.length > EXITS_KEPT) {
      const oldest = this.#exits.shift();
      // Nobody has come to read its output either.
      if (oldest) this.#forget(oldest.containerId);
    }
    if (this.#watcher) this.#unsent.push(exit);
    this.finish(exit.containerId);
  }

  /** The exit of a container that has ended lately. */
  exitOf(id: string): ContainerExit | null {
    return this.#exits.find(({ containerId }) => containerId === id) ?? null;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (;;) {
        const watcher = this.#watcher;
        if (watcher === null) return;
        if (watcher.ended) {
          this.#watcher = null;
          return;
        }
        const event = this.#next();
        if (event === null) return;
        if (!watcher.send({ event })) await watcher.whenDrained();
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Output first: a container's exit is the last that is told of it. */
  #next(): NonNullable<WatchResponse['event']> | null {
    for (const [containerId, { streams, finished }] of this.#logs) {
      for (const [index, buffer] of streams.entries()) {
        const piece = buffer.take();
        if (piece === null) continue;
        // To the end of the line, so that each container has its turn.
        const logs = this.#logs.get(containerId);
        this.#logs.delete(containerId);
        if (logs) this.#logs.set(containerId, logs);
        const { data, droppedBytes } = piece;
        const value = { containerId, stream: index + 1, data, droppedBytes: BigInt(droppedBytes) };
        return { $case: 'log', value };
      }
      if (finished) this.#logs.delete(containerId);
    }
    const exit = this.#unsent.shift();
    return exit ? { $case: 'exit', value: exit } : null;
  }

  #forget(id: string): void {
    for (const buffer of this.#logs.get(id)?.streams ?? []) buffer.clear();
    this.#logs.delete(id);
  }
}
