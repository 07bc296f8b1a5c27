// SPDX-License-Identifier: Apache-2.0
// czone.node.v1.ContainersService.
import type { Controller } from '../host/controller-api.js';
import type {
  ContainersServiceServer,
  ReadLogsResponse,
} from '../protocol/gen/czone/node/v1/containers.js';
import { type FaultLog, serverStream, unary } from './call.js';
import { container, processPlacement } from './convert.js';
import { LOG_CHUNK_BYTES_MAX } from './limits.js';
import { page } from './paging.js';
import type { Repeats } from './repeat.js';
import * as validate from './validate.js';

export function containersService(
  controller: Controller,
  repeats: Repeats,
  log: FaultLog,
): ContainersServiceServer {
  return {
    // The controller itself remembers request ids of placements.
    placeFunction: unary(log, async (request, signal) => ({
      container: container(await controller.place(validate.placeRequest(request), signal)),
    })),

    listContainers: unary(log, (request) => {
      const tenantId = validate.optional(request.tenantId, validate.tenantId);
      const sandboxId = validate.optional(request.sandboxId, validate.sandboxId);
      const matching = controller
        .containers()
        .filter(
          (view) =>
            (tenantId === null || view.tenantId === tenantId) &&
            (sandboxId === null || view.sandboxId === sandboxId) &&
            (request.includeExited || view.state !== 'EXITED'),
        );
      const { items, nextPageToken } = page(
        matching,
        (view) => ({ createdAtMs: view.createdAt.getTime(), id: view.containerId }),
        request,
        ['containers', request.tenantId, request.sandboxId, String(request.includeExited)],
      );
      return { containers: items.map(container), nextPageToken };
    }),

    stopContainer: unary(log, async (request) => {
      const requestId = validate.requestId(request.requestId);
      const id = validate.containerId(request.containerId);
      const graceMs = validate.graceMs(request.graceMs);
      const view = await repeats.once('StopContainer', requestId, [id, graceMs], () =>
        controller.stop(id, graceMs),
      );
      return { container: container(view) };
    }),

    pauseContainer: unary(log, async (request) => {
      const requestId = validate.requestId(request.requestId);
      const id = validate.containerId(request.containerId);
      const view = await repeats.once('PauseContainer', requestId, [id], () =>
        controller.pause(id),
      );
      return { container: container(view) };
    }),

    resumeContainer: unary(log, async (request) => {
      const requestId = validate.requestId(request.requestId);
      const id = validate.containerId(request.containerId);
      const view = await repeats.once('ResumeContainer', requestId, [id], () =>
        controller.resume(id),
      );
      return { container: container(view) };
    }),

    inspectContainer: unary(log, async (request) => ({
      processes: (await controller.inspect(validate.containerId(request.containerId))).map(
        processPlacement,
      ),
    })),

    readLogs: serverStream(log, (request, signal) =>
      messages(
        controller.read(validate.containerId(request.containerId), {
          follow: request.follow,
          tailBytes: validate.tailBytes(request.tailBytes),
          signal,
        }),
      ),
    ),
  };
}

async function* messages(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ReadLogsResponse> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += LOG_CHUNK_BYTES_MAX) {
      yield { data: Buffer.from(chunk.subarray(at, at + LOG_CHUNK_BYTES_MAX)) };
    }
  }
}
