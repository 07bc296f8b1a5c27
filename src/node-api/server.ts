// SPDX-License-Identifier: Apache-2.0
// The node API's server: the services of czone.node.v1, health and reflection on
// one unix socket.
import { resolve } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Controller } from '../host/controller-api.js';
import { CzoneError, messageOf } from '../protocol/errors.js';
import { ContainersServiceService } from '../protocol/gen/czone/node/v1/containers.js';
import { MemoryServiceService } from '../protocol/gen/czone/node/v1/memory.js';
import { NodeServiceService } from '../protocol/gen/czone/node/v1/node.js';
import { SandboxesServiceService } from '../protocol/gen/czone/node/v1/sandboxes.js';
import type { FaultLog } from './call.js';
import { containersService } from './containers-service.js';
import * as limits from './limits.js';
import { memoryService } from './memory-service.js';
import { nodeService } from './node-service.js';
import { reflectionService } from './reflection.js';
import { Repeats } from './repeat.js';
import { sandboxesService } from './sandboxes-service.js';
import { checkSocketPath, clearSocketPath, placeSocket } from './socket.js';

/** Whose health is told; the empty name is the node as a whole. */
const HEALTH_NAMES = [
  '',
  'czone.node.v1.ContainersService',
  'czone.node.v1.MemoryService',
  'czone.node.v1.NodeService',
  'czone.node.v1.SandboxesService',
];

export interface NodeApi {
  readonly socketPath: string;
  /** Health says NOT_SERVING from here on; calls are still answered. */
  drain(): void;
  /** Nobody new finds the node from here on; those who have found it are still answered. */
  removeSocket(): Promise<void>;
  /**
   * Takes no new calls, waits up to `graceMs` for those that run, cuts the rest
   * and removes the socket. Idempotent.
   */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves `controller` at `socketPath`. ALREADY_EXISTS where another node answers
 * there, FAILED_PRECONDITION where the path can't be used.
 */
export async function serveNodeApi(
  controller: Controller,
  options: { readonly socketPath: string; readonly log: FaultLog },
): Promise<NodeApi> {
  const socketPath = resolve(options.socketPath);
  checkSocketPath(socketPath);
  await clearSocketPath(socketPath);

  const server = new Server({
    'grpc.max_receive_message_length': limits.REQUEST_MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': limits.RESPONSE_MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': limits.CONCURRENT_STREAMS_MAX,
  });
  const repeats = new Repeats();
  const { log } = options;
  server.addService(ContainersServiceService, containersService(controller, repeats, log));
  server.addService(SandboxesServiceService, sandboxesService(controller, repeats, log));
  server.addService(MemoryServiceService, memoryService(controller, repeats, log));
  server.addService(NodeServiceService, nodeService(controller, log));
  reflectionService().addToServer(server);
  const health = new HealthImplementation();
  health.addToServer(server);

  const removeSocket = await placeSocket(socketPath, (path) => bind(server, path)).catch(
    (error: unknown) => {
      server.forceShutdown();
      throw new CzoneError(
        'FAILED_PRECONDITION',
        `the node can't listen at ${socketPath}: ${messageOf(error)}`,
        { cause: error },
      );
    },
  );
  const setHealth = (status: 'SERVING' | 'NOT_SERVING') => {
    for (const name of HEALTH_NAMES) health.setStatus(name, status);
  };
  setHealth('SERVING');

  let closing: Promise<void> | null = null;
  return {
    socketPath,
    drain: () => setHealth('NOT_SERVING'),
    removeSocket,
    close: (graceMs = 2_000) => {
      closing ??= (async () => {
        setHealth('NOT_SERVING');
        await removeSocket();
        await shutDown(server, graceMs);
      })();
      return closing;
    },
  };
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error) fail(error);
      else done();
    });
  });
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      done();
    });
  });
}
