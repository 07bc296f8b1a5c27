// SPDX-License-Identifier: Apache-2.0
// czone.node.v1.MemoryService.
import type { Controller } from '../host/controller-api.js';
import type {
  MemoryServiceServer,
  ReclaimMemoryRequest,
} from '../protocol/gen/czone/node/v1/memory.js';
import { type FaultLog, unary } from './call.js';
import { memory, reclaimed } from './convert.js';
import type { Repeats } from './repeat.js';
import * as validate from './validate.js';

export function memoryService(
  controller: Controller,
  repeats: Repeats,
  log: FaultLog,
): MemoryServiceServer {
  return {
    getMemory: unary(log, (request) =>
      memory(controller.memory(validate.optional(request.sandboxId, validate.sandboxId))),
    ),

    reclaimMemory: unary(log, async (request) => {
      const requestId = validate.requestId(request.requestId);
      const scope = scopeOf(request);
      const coldBytes = validate.coldBytes(request.coldBytes);
      const result = await repeats.once(
        'ReclaimMemory',
        requestId,
        [request.containerId, request.sandboxId, coldBytes],
        () => controller.reclaim(scope, { coldBytes }),
      );
      return reclaimed(result);
    }),
  };
}

function scopeOf(request: ReclaimMemoryRequest): Parameters<Controller['reclaim']>[0] {
  const containerId = validate.optional(request.containerId, validate.containerId);
  const sandboxId = validate.optional(request.sandboxId, validate.sandboxId);
  if (containerId !== null && sandboxId !== null) {
    throw validate.invalid('sandbox_id', 'and container_id are given both; name one or neither');
  }
  if (containerId !== null) return { containerId };
  return sandboxId === null ? null : { sandboxId };
}
