// SPDX-License-Identifier: Apache-2.0
// The service that the host calls: checks requests, calls the runtime, tells errors
// as gRPC statuses.
import { once } from 'node:events';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { CzoneError, type ErrorCode, messageOf } from '../protocol/errors.js';
import type {
  AgentServiceServer,
  GetInfoResponse,
  PageCount,
  WatchRequest,
  WatchResponse,
} from '../protocol/gen/czone/guest/v1/agent.js';
import type { Runtime } from './containers.js';
import type { Events, Watcher } from './events.js';
import type { ProcessPlacement } from './placement.js';
import { readBytes, readContainerId, readGraceMs, readStartRequest } from './request.js';

export interface AgentParts {
  readonly runtime: Runtime;
  readonly events: Events;
  readonly getInfo: () => Promise<GetInfoResponse>;
  /** A call was answered. */
  readonly onAnswered: () => void;
}

const STATUSES: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  ABORTED: status.ABORTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  UNAVAILABLE: status.UNAVAILABLE,
  INTERNAL: status.INTERNAL,
};
const MESSAGE_MAX_LENGTH = 3000;

export function agentService({
  runtime,
  events,
  getInfo,
  onAnswered,
}: AgentParts): AgentServiceServer {
  const unary =
    <Request, Response>(answer: (request: Request) => Promise<Response>) =>
    (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
      Promise.resolve(call.request)
        .then(answer)
        .then(
          (response) => done(null, response),
          (error: unknown) => done(statusOf(error)),
        )
        .finally(onAnswered);
    };
  return {
    getInfo: unary(getInfo),
    startContainer: unary(async (request) => runtime.start(readStartRequest(request))),
    stopContainer: unary(async ({ containerId, graceMs }) => ({
      exit: await runtime.stop(readContainerId(containerId), readGraceMs(graceMs)),
    })),
    pauseContainer: unary(async ({ containerId }) => {
      await runtime.pause(readContainerId(containerId));
      return {};
    }),
    resumeContainer: unary(async ({ containerId }) => {
      await runtime.resume(readContainerId(containerId));
      return {};
    }),
    reclaimContainer: unary(async ({ containerId, bytes }) => {
      const result = await runtime.reclaim(readContainerId(containerId), readBytes(bytes));
      return {
        reclaimedBytes: BigInt(result.reclaimedBytes),
        swappedBytes: BigInt(result.swappedBytes),
      };
    }),
    listContainers: unary(async () => ({ containers: await runtime.list() })),
    inspectContainer: unary(async ({ containerId }) => ({
      processes: (await runtime.inspect(readContainerId(containerId))).map(placementMessage),
    })),
    watch: (call) => {
      void runtime.list().then((containers) => {
        events.attach(watcherOf(call), { event: { $case: 'snapshot', value: { containers } } });
      });
    },
  };
}

function watcherOf(call: ServerWritableStream<WatchRequest, WatchResponse>): Watcher {
  let ended = false;
  const gone = new Promise<void>((resolve) => {
    const finish = () => {
      ended = true;
      resolve();
    };
    call.on('cancelled', finish);
    call.on('close', finish);
    call.on('error', finish);
  });
  return {
    get ended() {
      return ended;
    },
    send: (response) => ended || call.write(response),
    whenDrained: () =>
      Promise.race([
        once(call, 'drain').then(
          () => {},
          () => {},
        ),
        gone,
      ]),
    end: () => {
      ended = true;
      call.end();
    },
  };
}

function statusOf(error: unknown): { code: status; details: string } {
  const code = error instanceof CzoneError ? STATUSES[error.code] : status.INTERNAL;
  return { code, details: messageOf(error).slice(0, MESSAGE_MAX_LENGTH) };
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
