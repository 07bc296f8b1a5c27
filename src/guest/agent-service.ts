// SPDX-License-Identifier: Apache-2.0
// The service that the host calls: checks requests and calls the runtime.
import {
  AgentServiceDefinition,
  type GetInfoResponse,
  type PageCount,
} from '../protocol/gen/czone/guest/v1/agent.js';
import type { Method } from '../protocol/rpc/method.js';
import { type Handler, streaming, unary } from '../protocol/rpc/server.js';
import type { Runtime } from './containers.js';
import type { Events } from './events.js';
import type { ProcessPlacement } from './placement.js';
import { readBytes, readContainerId, readGraceMs, readStartRequest } from './request.js';

export interface AgentParts {
  readonly runtime: Runtime;
  readonly events: Events;
  readonly getInfo: () => Promise<GetInfoResponse>;
  /** A call was answered. */
  readonly onAnswered: () => void;
}

export function agentService({ runtime, events, getInfo, onAnswered }: AgentParts): Handler[] {
  const { methods } = AgentServiceDefinition;
  const on = <Request, Response>(
    method: Method<Request, Response>,
    answer: (request: Request) => Promise<Response>,
  ) => unary(method, (request) => answer(request).finally(onAnswered));
  return [
    on(methods.getInfo, getInfo),
    on(methods.startContainer, async (request) => runtime.start(readStartRequest(request))),
    on(methods.stopContainer, async ({ containerId, graceMs }) => ({
      exit: await runtime.stop(readContainerId(containerId), readGraceMs(graceMs)),
    })),
    on(methods.pauseContainer, async ({ containerId }) => {
      await runtime.pause(readContainerId(containerId));
      return {};
    }),
    on(methods.resumeContainer, async ({ containerId }) => {
      await runtime.resume(readContainerId(containerId));
      return {};
    }),
    on(methods.reclaimContainer, async ({ containerId, bytes }) => {
      const result = await runtime.reclaim(readContainerId(containerId), readBytes(bytes));
      return {
        reclaimedBytes: BigInt(result.reclaimedBytes),
        swappedBytes: BigInt(result.swappedBytes),
      };
    }),
    on(methods.listContainers, async () => ({ containers: await runtime.list() })),
    on(methods.inspectContainer, async ({ containerId }) => ({
      processes: (await runtime.inspect(readContainerId(containerId))).map(placementMessage),
    })),
    streaming(methods.watch, (_request, watcher) => {
      void runtime.list().then((containers) => {
        events.attach(watcher, { event: { $case: 'snapshot', value: { containers } } });
      });
    }),
  ];
}

function placementMessage(placement: ProcessPlacement) {
  return {
    pid: placement.pid,
    name: placement.name,
    zoneId: placement.zoneId,
    anonymous: pages(placement.anonymous),
    text: pages(placement.text),
    file: pages(placement.file),
    textFrames: placement.textFrames.map(BigInt),
  };
}

function pages({ inZone, outside }: { inZone: number; outside: number }): PageCount {
  return { inZone: BigInt(inZone), outside: BigInt(outside) };
}
