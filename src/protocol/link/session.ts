// SPDX-License-Identifier: Apache-2.0
// One session of the link: a Duplex whose bytes travel in frames of one nonce.
// Each side may send SESSION_WINDOW_BYTES more than the other has read; so the
// stream below is always read, and a slow reader never hides a new hello.
import { Duplex } from 'node:stream';
import { FRAME_PAYLOAD_MAX_BYTES, SESSION_WINDOW_BYTES } from '../limits.js';
import { FRAME_TYPES, type Frame, type FrameType } from './frame.js';

type WriteDone = (error?: Error | null) => void;

/** Puts a frame on the stream below; `done` is called when that has taken it. */
export type Transmit = (frame: Frame, done: WriteDone) => void;

/** Why a session ended that its own side did not end. */
export class SessionEndedError extends Error {
  override readonly name = 'SessionEndedError';
}

const EMPTY = Buffer.alloc(0);

export class LinkSession extends Duplex {
  readonly nonce: bigint;
  readonly #transmit: Transmit;
  #sendSequence = 0;
  #receiveSequence = 0;
  /** Bytes that may still be sent. */
  #creditBytes = SESSION_WINDOW_BYTES;
  /** Bytes the peer may still send, and those read but not yet granted again. */
  #grantedBytes = SESSION_WINDOW_BYTES;
  #takenBytes = 0;
  #outgoing: { bytes: Buffer; readonly done: WriteDone } | null = null;
  readonly #incoming: Buffer[] = [];
  #peerEnded = false;
  #wantsData = false;
  #silent = false;

  constructor(nonce: bigint, transmit: Transmit) {
    super();
    this.nonce = nonce;
    this.#transmit = transmit;
    // A peer that goes away is an ordinary end here, whoever listens.
    this.on('error', () => {});
  }

  /** Takes a frame of this session's nonce. */
  receive(frame: Frame): void {
    if (this.destroyed) return;
    if (frame.type === FRAME_TYPES.reset) {
      this.abandon('the other side ended the session');
      return;
    }
    if (frame.sequence !== this.#receiveSequence) {
      this.#fail(`frame ${frame.sequence} came where ${this.#receiveSequence} was due`);
      return;
    }
    this.#receiveSequence = (this.#receiveSequence + 1) >>> 0;
    switch (frame.type) {
      case FRAME_TYPES.data:
        this.#receiveData(frame.payload);
        return;
      case FRAME_TYPES.window:
        this.#receiveWindow(frame.payload);
        return;
      case FRAME_TYPES.end:
        this.#peerEnded = true;
        this.#deliver();
        return;
      default:
        this.#fail(`a frame of type ${frame.type} has no place in a session`);
    }
  }

  /** Ends the session without telling the peer, which is gone or has said so itself. */
  abandon(reason: string): void {
    this.#silent = true;
    this.#fail(reason);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: WriteDone): void {
    this.#outgoing = { bytes: chunk, done };
    this.#pump();
  }

  override _writev(chunks: { chunk: Buffer }[], done: WriteDone): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: WriteDone): void {
    this.#send(FRAME_TYPES.end, EMPTY, done);
  }

  override _read(): void {
    this.#wantsData = true;
    this.#deliver();
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    const finished = this.writableFinished && this.#peerEnded;
    if (!this.#silent && !finished) this.#send(FRAME_TYPES.reset, EMPTY, () => {});
    const outgoing = this.#outgoing;
    this.#outgoing = null;
    this.#incoming.length = 0;
    outgoing?.done(error ?? new SessionEndedError('The session was closed.'));
    done(error);
  }

  #receiveData(payload: Buffer): void {
    if (payload.length === 0 || payload.length > this.#grantedBytes || this.#peerEnded) {
      this.#fail(`${payload.length} bytes came where ${this.#grantedBytes} were allowed`);
      return;
    }
    this.#grantedBytes -= payload.length;
    this.#incoming.push(payload);
    this.#deliver();
  }

  #receiveWindow(payload: Buffer): void {
    const grantedBytes = payload.length === 4 ? payload.readUInt32BE(0) : 0;
    if (grantedBytes === 0 || this.#creditBytes + grantedBytes > SESSION_WINDOW_BYTES) {
      this.#fail(`a window of ${grantedBytes} bytes is impossible`);
      return;
    }
    this.#creditBytes += grantedBytes;
    this.#pump();
  }

  /** Hands what has come to the reader, and grants the peer what was taken. */
  #deliver(): void {
    while (this.#wantsData) {
      const chunk = this.#incoming.shift();
      if (chunk === undefined) break;
      this.#takenBytes += chunk.length;
      // Before push, which may call _read again.
      this.#wantsData = false;
      if (this.push(chunk)) this.#wantsData = true;
    }
    if (this.#takenBytes >= SESSION_WINDOW_BYTES / 2 && !this.destroyed) {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(this.#takenBytes, 0);
      this.#grantedBytes += this.#takenBytes;
      this.#takenBytes = 0;
      this.#send(FRAME_TYPES.window, payload, () => {});
    }
    if (this.#peerEnded && this.#incoming.length === 0 && this.#wantsData) {
      this.#wantsData = false;
      this.push(null);
    }
  }

  #pump(): void {
    while (
      this.#outgoing !== null &&
      (this.#creditBytes > 0 || this.#outgoing.bytes.length === 0)
    ) {
      const { bytes, done } = this.#outgoing;
      if (bytes.length === 0) {
        this.#outgoing = null;
        done();
        return;
      }
      const length = Math.min(bytes.length, this.#creditBytes, FRAME_PAYLOAD_MAX_BYTES);
      this.#creditBytes -= length;
      const last = length === bytes.length;
      if (last) this.#outgoing = null;
      else this.#outgoing.bytes = bytes.subarray(length);
      this.#send(FRAME_TYPES.data, bytes.subarray(0, length), last ? done : () => {});
    }
  }

  #send(type: FrameType, payload: Buffer, done: WriteDone): void {
    const sequence = this.#sendSequence;
    this.#sendSequence = (sequence + 1) >>> 0;
    this.#transmit({ type, nonce: this.nonce, sequence, payload }, done);
  }

  #fail(reason: string): void {
    this.destroy(
      new SessionEndedError(`The session with the other end of the link is over: ${reason}.`),
    );
  }
}
