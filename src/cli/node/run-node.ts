// SPDX-License-Identifier: Apache-2.0
// A node from start to end: controller, API, ready line, signals, clean close.
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type NodeConfig, type NodeConfigInput, parseNodeConfig } from '../../host/config.js';
import type { Controller } from '../../host/controller-api.js';
import { serveNodeApi } from '../../node-api/server.js';
import { checkSocketPath } from '../../node-api/socket.js';
import type { Run } from '../command.js';
import { createLog } from './log.js';
import { type SignalWatch, watchSignals } from './watch-signals.js';

/** What is left of calls after the controller has closed ends within this. */
const CALLS_GRACE_MS = 1_000;

export type CreateController = (config: NodeConfig, log: Logger) => Promise<Controller>;

/** Answers when the node has ended in order. */
export async function runNode(
  run: Run,
  given: NodeConfigInput,
  logTo: { readonly level: string; readonly file: string | null },
  create: CreateController,
): Promise<void> {
  const config = parseNodeConfig(given);
  const socketPath = config.socketPath ?? join(config.runDir, 'node.sock');
  // Before any VM could be started for nothing.
  checkSocketPath(socketPath);
  const log = createLog(logTo.level, logTo.file);
  const { output } = run;
  const signals = watchSignals(() => output.note('czone: ended at once; its VMs end with it'));
  try {
    const controller = await create(config, log);
    try {
      // A signal that came while the controller started is obeyed before anyone is served.
      if (!signals.aborted.aborted) await serve(run, controller, socketPath, log, signals);
    } finally {
      await controller.close();
    }
    output.note('czone: the node has ended and left nothing behind');
  } finally {
    signals.stop();
  }
}

async function serve(
  { output }: Run,
  controller: Controller,
  socketPath: string,
  log: Logger,
  signals: SignalWatch,
): Promise<void> {
  const api = await serveNodeApi(controller, { socketPath, log });
  try {
    const info = controller.info();
    if (output.json) {
      output.line({ ready: { socketPath: api.socketPath, ...info } });
    } else {
      await output.result(
        {},
        () =>
          `czone node ready at ${api.socketPath} (pid ${info.pid}, ` +
          `${info.accelerator}: ${info.acceleratorReason})`,
      );
    }
    const signal = await signals.first;
    const count = controller.sandboxes().length;
    const vms = count === 0 ? '' : `, with ${count} VM${count > 1 ? 's' : ''}`;
    output.note(`czone: ${signal}: the node ends${vms}; a second signal ends it at once`);
    api.drain();
    // Before the controller gives the run directory back, which must be empty then.
    await api.removeSocket();
    // Calls that run are answered with UNAVAILABLE by the controller's end.
    await controller.close();
  } finally {
    await api.close(CALLS_GRACE_MS);
  }
}
