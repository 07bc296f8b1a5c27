// SPDX-License-Identifier: Apache-2.0
// How a method of a service runs: cancellation and deadlines become an
// AbortSignal, errors become statuses, streams wait for their reader.
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { CzoneError } from '../protocol/errors.js';
import { toStatus } from './status.js';

/** Where faults of the node itself are reported. */
export interface FaultLog {
  error(details: object, message: string): void;
}

export function unary<Request, Response>(
  log: FaultLog,
  run: (request: Request, signal: AbortSignal) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    void (async () => {
      try {
        callback(null, await run(call.request, signalOf(call)));
      } catch (error) {
        report(log, call.getPath(), error);
        callback(toStatus(error));
      }
    })();
  };
}

export function serverStream<Request, Response>(
  log: FaultLog,
  run: (request: Request, signal: AbortSignal) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    void (async () => {
      const signal = signalOf(call);
      try {
        for await (const message of run(call.request, signal)) {
          if (signal.aborted) break;
          if (!call.write(message)) await drained(call, signal);
        }
        call.end();
      } catch (error) {
        if (signal.aborted) return; // nobody is left to tell
        report(log, call.getPath(), error);
        call.emit('error', toStatus(error)); // how grpc-js ends a stream with a status
      }
    })();
  };
}

/** Aborted when the caller gives up, goes away, or its deadline passes. */
function signalOf(
  call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>,
): AbortSignal {
  const controller = new AbortController();
  const abort = () => {
    const deadline = Number(call.getDeadline());
    controller.abort(
      Date.now() >= deadline
        ? new CzoneError('DEADLINE_EXCEEDED', "the caller's deadline passed")
        : new CzoneError('ABORTED', 'the caller gave up'),
    );
  };
  if (call.cancelled) abort();
  else call.once('cancelled', abort);
  return controller.signal;
}

function drained(stream: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.removeListener('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

function report(log: FaultLog, path: string, error: unknown): void {
  if (error instanceof CzoneError && error.code !== 'INTERNAL') return;
  log.error({ err: error, method: path }, 'a call failed through a fault of the node');
}
