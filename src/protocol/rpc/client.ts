// SPDX-License-Identifier: Apache-2.0
// Calls the other end of a session of the link. What comes back is another trust domain's:
// an answer that makes no sense ends the session.
import type { Duplex } from 'node:stream';
import { CzoneError, messageOf } from '../errors.js';
import { AGENT_MESSAGE_MAX_BYTES, CALL_ERROR_MAX_LENGTH } from '../limits.js';
import { codeName, encodeMessage, MESSAGE_KINDS, type Message, MessageReader } from './message.js';
import type { Method } from './method.js';

interface Waiting {
  /** null: it is no stream. */
  readonly item: ((body: Uint8Array) => void) | null;
  readonly answer: (body: Uint8Array) => void;
  readonly fail: (error: CzoneError) => void;
}

export interface CallClientOptions {
  /** Largest answer, bytes. */
  readonly answerMaxBytes: number;
  /** So often the other end is asked whether it is there, ms. */
  readonly pingMs: number;
  /** So late an answer to that ends the session, ms. */
  readonly pongMs: number;
}

const EMPTY = new Uint8Array(0);
const CALL_ID_MAX = 2 ** 32 - 1;

export class CallClient {
  readonly #session: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  readonly #pinging: NodeJS.Timeout;
  #lastId = 0;
  #pong: NodeJS.Timeout | null = null;

  /** Takes the session over. */
  constructor(session: Duplex, { answerMaxBytes, pingMs, pongMs }: CallClientOptions) {
    this.#session = session;
    const reader = new MessageReader(answerMaxBytes, (message) => this.#take(message));
    let reason = 'the session was closed';
    session.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        session.destroy(new Error(`the answers make no sense: ${messageOf(error)}`));
      }
    });
    session.on('end', () => session.destroy());
    session.on('error', (error: Error) => {
      reason = error.message;
    });
    session.on('close', () => this.#lost(reason));
    this.#pinging = setInterval(() => this.#ping(pongMs), pingMs);
    this.#pinging.unref();
  }

  /** Rejects with a CzoneError: the other end's own, DEADLINE_EXCEEDED, or UNAVAILABLE. */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId();
      const timer = setTimeout(() => {
        // Its answer may still come, and is passed over.
        this.#waiting.delete(id);
        reject(new CzoneError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#send(id, method, request, {
        item: null,
        answer: (body) => {
          clearTimeout(timer);
          resolve(method.responseType.decode(body));
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** Fulfilled at the stream's end; else as `call`, and without a deadline. */
  stream<Request, Item>(
    method: Method<Request, Item>,
    request: Request,
    onItem: (item: Item) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#send(this.#nextId(), method, request, {
        item: (body) => onItem(method.responseType.decode(body)),
        answer: () => resolve(),
        fail: reject,
      });
    });
  }

  close(): void {
    this.#session.destroy();
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === CALL_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #send<Request, Response>(
    callId: number,
    { name, requestType }: Method<Request, Response>,
    request: Request,
    waiting: Waiting,
  ): void {
    if (this.#session.destroyed) {
      waiting.fail(new CzoneError('UNAVAILABLE', 'the session is closed'));
      return;
    }
    const bytes = requestType.encode(request).finish();
    const body = Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), bytes]);
    if (body.length > AGENT_MESSAGE_MAX_BYTES) {
      const told = `the request has ${body.length} bytes, ${AGENT_MESSAGE_MAX_BYTES} are allowed`;
      waiting.fail(new CzoneError('RESOURCE_EXHAUSTED', told));
      return;
    }
    this.#waiting.set(callId, waiting);
    this.#session.write(encodeMessage({ kind: MESSAGE_KINDS.call, callId, code: 0, body }));
  }

  #take({ kind, callId, code, body }: Message): void {
    if (kind === MESSAGE_KINDS.pong) {
      this.#endPing();
      return;
    }
    const waiting = this.#waiting.get(callId);
    // It came too late.
    if (waiting === undefined) return;
    if (kind === MESSAGE_KINDS.item) {
      if (waiting.item === null) throw new Error(`call ${callId} is no stream`);
      waiting.item(body);
      return;
    }
    if (kind === MESSAGE_KINDS.answer) waiting.answer(body);
    else if (kind === MESSAGE_KINDS.failure) {
      const words = Buffer.from(body).toString().slice(0, CALL_ERROR_MAX_LENGTH);
      waiting.fail(new CzoneError(codeName(code), words));
    } else throw new Error(`a message of kind ${kind} is no answer`);
    this.#waiting.delete(callId);
  }

  #ping(pongMs: number): void {
    if (this.#pong !== null || this.#session.destroyed) return;
    this.#pong = setTimeout(
      () => this.#session.destroy(new Error(`no sign of life within ${pongMs} ms`)),
      pongMs,
    );
    this.#session.write(
      encodeMessage({ kind: MESSAGE_KINDS.ping, callId: 0, code: 0, body: EMPTY }),
    );
  }

  #endPing(): void {
    if (this.#pong !== null) clearTimeout(this.#pong);
    this.#pong = null;
  }

  #lost(reason: string): void {
    clearInterval(this.#pinging);
    this.#endPing();
    const calls = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { fail } of calls) fail(new CzoneError('UNAVAILABLE', reason));
  }
}
