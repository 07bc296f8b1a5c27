// SPDX-License-Identifier: Apache-2.0
// The opening end of the link (on the host).
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { CzoneError } from '../errors.js';
import { FRAME_PAYLOAD_MAX_BYTES, HELLO_REPEAT_MS } from '../limits.js';
import { FrameDecoder } from './decoder.js';
import { encodeFrame, FRAME_TYPES, type Frame, HEADER_BYTES } from './frame.js';
import { LinkSession } from './session.js';

const EMPTY = Buffer.alloc(0);
/**
 * Sent before a hello: fills up a frame that a predecessor has left unfinished, so
 * that the server stops waiting for the rest of it and looks at the hello.
 */
const PADDING = Buffer.alloc(HEADER_BYTES + FRAME_PAYLOAD_MAX_BYTES);

interface Opening {
  readonly nonce: bigint;
  readonly accepted: () => void;
  readonly failed: (error: CzoneError) => void;
}

export class LinkClient {
  readonly #stream: Duplex;
  readonly #decoder: FrameDecoder;
  #session: LinkSession | null = null;
  #opening: Opening | null = null;

  /** Takes the stream over: reads all of it and is its only writer. */
  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#decoder = new FrameDecoder(
      ({ type, nonce }) =>
        type === FRAME_TYPES.ready ||
        nonce === this.#opening?.nonce ||
        nonce === this.#session?.nonce,
      (frame) => this.#receive(frame),
    );
    stream.on('data', (chunk: Buffer) => this.#decoder.push(chunk));
    stream.on('error', () => this.#lost());
    stream.on('end', () => this.#lost());
    stream.on('close', () => this.#lost());
  }

  /**
   * Opens a new session and ends the one before it. Rejects with UNAVAILABLE when
   * the stream is closed, or DEADLINE_EXCEEDED when no server has answered in time;
   * a guest that still boots answers when its daemon is there.
   */
  async open(timeoutMs = 30_000): Promise<Duplex> {
    if (this.#opening !== null) throw unavailable('it is being opened already');
    if (!this.#stream.writable) throw unavailable('its stream is closed');
    this.#abandon('this side opened a new session');
    const nonce = randomBytes(8).readBigUInt64BE() || 1n;
    let deadline: NodeJS.Timeout | undefined;
    let repeat: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((accepted, failed) => {
        this.#opening = { nonce, accepted, failed };
        deadline = setTimeout(() => failed(timedOut(timeoutMs)), timeoutMs);
        repeat = setInterval(() => {
          // No need to pile them up while the stream takes nothing.
          if (this.#stream.writableLength === 0) this.#hello(nonce);
        }, HELLO_REPEAT_MS);
        this.#hello(nonce);
      });
      const session = this.#session;
      if (session === null) throw unavailable('the session ended as it began');
      return session;
    } finally {
      clearTimeout(deadline);
      clearInterval(repeat);
      this.#opening = null;
    }
  }

  #hello(nonce: bigint): void {
    this.#stream.write(PADDING);
    this.#stream.write(
      encodeFrame({ type: FRAME_TYPES.hello, nonce, sequence: 0, payload: EMPTY }),
    );
  }

  #receive(frame: Frame): void {
    if (frame.type === FRAME_TYPES.ready) {
      this.#abandon('the other side has started anew');
      if (this.#opening !== null) this.#hello(this.#opening.nonce);
    } else if (frame.type === FRAME_TYPES.helloAck) {
      this.#accept(frame.nonce);
    } else if (this.#session?.nonce === frame.nonce) {
      this.#session.receive(frame);
    }
  }

  #accept(nonce: bigint): void {
    // A second answer, to a repeated hello.
    if (this.#session !== null || this.#opening === null) return;
    const session = new LinkSession(nonce, (frame, done) => {
      if (this.#stream.writable) this.#stream.write(encodeFrame(frame), done);
      else done(unavailable('its stream is closed'));
    });
    session.once('close', () => {
      if (this.#session === session) this.#session = null;
    });
    this.#session = session;
    this.#opening.accepted();
  }

  #lost(): void {
    this.#abandon('the stream was closed');
    this.#opening?.failed(unavailable('its stream was closed'));
  }

  #abandon(reason: string): void {
    const session = this.#session;
    this.#session = null;
    session?.abandon(reason);
  }
}

function unavailable(reason: string): CzoneError {
  return new CzoneError('UNAVAILABLE', `The link to the guest can't be opened: ${reason}.`);
}

function timedOut(timeoutMs: number): CzoneError {
  return new CzoneError(
    'DEADLINE_EXCEEDED',
    `The guest's daemon has not answered within ${timeoutMs} ms.`,
  );
}
