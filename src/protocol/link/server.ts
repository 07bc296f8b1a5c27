// SPDX-License-Identifier: Apache-2.0
// The accepting end of the link (in the guest). One session at a time: a new
// hello means that the peer came back, so it ends the session before it.
import type { Duplex } from 'node:stream';
import { FrameDecoder } from './decoder.js';
import { encodeFrame, FRAME_TYPES, type Frame, type FrameHeader, type FrameType } from './frame.js';
import { LinkSession } from './session.js';

const EMPTY = Buffer.alloc(0);

export class LinkServer {
  readonly #stream: Duplex;
  readonly #onSession: (session: Duplex) => void;
  readonly #decoder: FrameDecoder;
  #session: LinkSession | null = null;
  #strangerNonce = 0n;

  /** Tells the other end at once that a server begins here. */
  constructor(stream: Duplex, onSession: (session: Duplex) => void) {
    this.#stream = stream;
    this.#onSession = onSession;
    this.#decoder = new FrameDecoder(
      (header) => this.#wants(header),
      (frame) => this.#receive(frame),
    );
    stream.on('data', (chunk: Buffer) => this.#decoder.push(chunk));
    stream.on('error', () => this.#abandon('the stream failed'));
    stream.on('close', () => this.#abandon('the stream was closed'));
    this.#control(FRAME_TYPES.ready, 0n);
  }

  #wants(header: FrameHeader): boolean {
    if (header.type === FRAME_TYPES.hello) return header.payloadBytes === 0;
    if (header.nonce === this.#session?.nonce) return true;
    this.#refuse(header);
    return false;
  }

  #receive(frame: Frame): void {
    if (frame.type !== FRAME_TYPES.hello) {
      this.#session?.receive(frame);
      return;
    }
    // The client repeats its hello until it has the answer.
    if (frame.nonce === this.#session?.nonce) {
      this.#control(FRAME_TYPES.helloAck, frame.nonce);
      return;
    }
    this.#abandon('the other side began a new session');
    const session = new LinkSession(frame.nonce, (out, done) => this.#transmit(out, done));
    session.once('close', () => {
      if (this.#session === session) this.#session = null;
    });
    this.#session = session;
    this.#control(FRAME_TYPES.helloAck, frame.nonce);
    this.#onSession(session);
  }

  /** Tells a peer that still talks in a session which this server never had; once each. */
  #refuse(header: FrameHeader): void {
    if (header.type !== FRAME_TYPES.data || header.nonce === this.#strangerNonce) return;
    this.#strangerNonce = header.nonce;
    this.#control(FRAME_TYPES.reset, header.nonce);
  }

  #abandon(reason: string): void {
    const session = this.#session;
    this.#session = null;
    session?.abandon(reason);
  }

  #control(type: FrameType, nonce: bigint): void {
    this.#transmit({ type, nonce, sequence: 0, payload: EMPTY }, () => {});
  }

  #transmit(frame: Frame, done: (error?: Error | null) => void): void {
    if (this.#stream.writable) this.#stream.write(encodeFrame(frame), done);
    else done(new Error('The stream below the link is closed.'));
  }
}
