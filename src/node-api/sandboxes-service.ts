// SPDX-License-Identifier: Apache-2.0
// czone.node.v1.SandboxesService.
import type { Controller } from '../host/controller-api.js';
import type { SandboxesServiceServer } from '../protocol/gen/czone/node/v1/sandboxes.js';
import { type FaultLog, unary } from './call.js';
import { count, sandbox } from './convert.js';
import { page } from './paging.js';
import type { Repeats } from './repeat.js';
import * as validate from './validate.js';

export function sandboxesService(
  controller: Controller,
  repeats: Repeats,
  log: FaultLog,
): SandboxesServiceServer {
  return {
    listSandboxes: unary(log, (request) => {
      const { items, nextPageToken } = page(
        controller.sandboxes(),
        (view) => ({ createdAtMs: view.createdAt.getTime(), id: view.sandboxId }),
        request,
        ['sandboxes'],
      );
      return { sandboxes: items.map(sandbox), nextPageToken };
    }),

    deleteSandbox: unary(log, async (request) => {
      const requestId = validate.requestId(request.requestId);
      const id = validate.sandboxId(request.sandboxId);
      const { returnedBytes } = await repeats.once('DeleteSandbox', requestId, [id], () =>
        controller.deleteSandbox(id),
      );
      return { returnedBytes: count(returnedBytes) };
    }),
  };
}
