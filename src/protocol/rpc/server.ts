// SPDX-License-Identifier: Apache-2.0
// Answers the calls that come by a session of the link.
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { CzoneError, messageOf } from '../errors.js';
import { AGENT_MESSAGE_MAX_BYTES, CALL_ERROR_MAX_LENGTH, CALLS_AT_ONCE_MAX } from '../limits.js';
import {
  codeNumber,
  encodeMessage,
  MESSAGE_KINDS,
  type Message,
  MessageReader,
} from './message.js';
import type { Method } from './method.js';

/** Where the items of a stream go: false from `send` means to wait for `whenDrained`. */
export interface Sink<Item> {
  send(item: Item): boolean;
  /** Or when it has ended. */
  whenDrained(): Promise<void>;
  end(): void;
  readonly ended: boolean;
}

/** How one method is served. */
export interface Handler {
  readonly name: string;
  handle(request: Uint8Array, call: Call): void;
}

export function unary<Request, Response>(
  { name, requestType, responseType }: Method<Request, Response>,
  answer: (request: Request) => Promise<Response>,
): Handler {
  return {
    name,
    handle: (bytes, call) => {
      const request = requestType.decode(bytes);
      answer(request).then(
        (response) => call.answer(responseType.encode(response).finish()),
        (error: unknown) => call.fail(error),
      );
    },
  };
}

export function streaming<Request, Item>(
  { name, requestType, responseType }: Method<Request, Item>,
  serve: (request: Request, sink: Sink<Item>) => void,
): Handler {
  return {
    name,
    handle: (bytes, call) => {
      const request = requestType.decode(bytes);
      serve(request, {
        get ended() {
          return call.over;
        },
        send: (item) => call.over || call.item(responseType.encode(item).finish()),
        whenDrained: () => call.whenDrained(),
        end: () => call.answer(EMPTY),
      });
    },
  };
}

const EMPTY = new Uint8Array(0);

/** One call under way. */
class Call {
  readonly #session: CallSession;
  readonly #id: number;
  #answered = false;

  constructor(session: CallSession, id: number) {
    this.#session = session;
    this.#id = id;
  }

  get over(): boolean {
    return this.#answered || this.#session.closed;
  }

  answer(body: Uint8Array): void {
    this.#end({ kind: MESSAGE_KINDS.answer, callId: this.#id, code: 0, body });
  }

  fail(error: unknown): void {
    const code = codeNumber(error instanceof CzoneError ? error.code : 'INTERNAL');
    const body = Buffer.from(messageOf(error).slice(0, CALL_ERROR_MAX_LENGTH));
    this.#end({ kind: MESSAGE_KINDS.failure, callId: this.#id, code, body });
  }

  item(body: Uint8Array): boolean {
    return this.#session.send({ kind: MESSAGE_KINDS.item, callId: this.#id, code: 0, body });
  }

  whenDrained(): Promise<void> {
    return this.#session.whenDrained();
  }

  #end(message: Message): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#session.finish(message);
  }
}

class CallSession {
  readonly #stream: Duplex;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #calls = new Set<number>();
  readonly #gone: Promise<void>;

  constructor(stream: Duplex, handlers: ReadonlyMap<string, Handler>) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.#gone = new Promise((resolve) => stream.once('close', resolve));
    const reader = new MessageReader(AGENT_MESSAGE_MAX_BYTES, (message) => this.#take(message));
    stream.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        stream.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // The other side has no more calls, and reads no more answers.
    stream.on('end', () => stream.destroy());
  }

  get closed(): boolean {
    return this.#stream.destroyed;
  }

  send(message: Message): boolean {
    return this.#stream.destroyed || this.#stream.write(encodeMessage(message));
  }

  finish(message: Message): void {
    this.#calls.delete(message.callId);
    this.send(message);
  }

  async whenDrained(): Promise<void> {
    if (this.closed || !this.#stream.writableNeedDrain) return;
    await Promise.race([once(this.#stream, 'drain').catch(() => {}), this.#gone]);
  }

  #take({ kind, callId, body }: Message): void {
    if (kind === MESSAGE_KINDS.ping) {
      this.send({ kind: MESSAGE_KINDS.pong, callId: 0, code: 0, body: EMPTY });
      return;
    }
    if (kind !== MESSAGE_KINDS.call) throw new Error(`a message of kind ${kind} is no call`);
    if (this.#calls.has(callId)) throw new Error(`call ${callId} is under way already`);
    const nameBytes = body[0] ?? 0;
    if (body.length < 1 + nameBytes) throw new Error(`call ${callId} is cut off`);
    const name = Buffer.from(body.subarray(1, 1 + nameBytes)).toString('latin1');
    const call = new Call(this, callId);
    this.#calls.add(callId);
    const handler = this.#handlers.get(name);
    try {
      if (this.#calls.size > CALLS_AT_ONCE_MAX) {
        throw new CzoneError('RESOURCE_EXHAUSTED', `${CALLS_AT_ONCE_MAX} calls are under way.`);
      }
      if (handler === undefined) {
        throw new CzoneError('INVALID_ARGUMENT', `There is no method ${JSON.stringify(name)}.`);
      }
      handler.handle(body.subarray(1 + nameBytes), call);
    } catch (error) {
      call.fail(error);
    }
  }
}

export function serveCalls(session: Duplex, handlers: readonly Handler[]): void {
  new CallSession(session, new Map(handlers.map((handler) => [handler.name, handler])));
}
