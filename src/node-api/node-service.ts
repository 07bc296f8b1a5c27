// SPDX-License-Identifier: Apache-2.0
// czone.node.v1.NodeService.
import type { Controller } from '../host/controller-api.js';
import type { NodeServiceServer } from '../protocol/gen/czone/node/v1/node.js';
import { type FaultLog, unary } from './call.js';
import { nodeInfo } from './convert.js';

export function nodeService(controller: Controller, log: FaultLog): NodeServiceServer {
  return { getNodeInfo: unary(log, () => nodeInfo(controller.info())) };
}
