// SPDX-License-Identifier: Apache-2.0
// Waits for SIGINT, SIGTERM or SIGHUP. The second signal ends the process at once:
// QEMU ends with it, and the next command cleans up its files.
import { EXIT_INTERRUPTED } from '../exit-codes.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface SignalWatch {
  /** Fulfilled by the first signal, with its name. */
  readonly first: Promise<NodeJS.Signals>;
  readonly aborted: AbortSignal;
  stop(): void;
}

export function watchSignals(onSecond: () => void): SignalWatch {
  const controller = new AbortController();
  let fulfil: (signal: NodeJS.Signals) => void = () => {};
  const first = new Promise<NodeJS.Signals>((resolve) => {
    fulfil = resolve;
  });
  const listener = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      onSecond();
      process.exit(EXIT_INTERRUPTED);
    }
    controller.abort();
    fulfil(signal);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    first,
    aborted: controller.signal,
    stop: () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    },
  };
}
