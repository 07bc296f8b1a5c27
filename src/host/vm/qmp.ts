// SPDX-License-Identifier: Apache-2.0
// A client of QEMU's monitor: commands with ids and time-outs, and events.
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { z } from 'zod';
import { CzoneError, messageOf } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import { parseQmpLine, type QmpEvent, type QmpMessage } from './qmp-messages.js';

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CzoneError) => void;
  readonly timer: NodeJS.Timeout;
}

/** QEMU understood a command and refused it. */
export class QmpRefusal extends CzoneError {
  readonly className: string;
  constructor(command: string, className: string, text: string) {
    super('INTERNAL', `QEMU refused ${command}: ${text}`);
    this.className = className;
  }
}

export class QmpClient {
  readonly #socket: net.Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #events = new EventEmitter<{ event: [QmpEvent]; closed: [CzoneError] }>();
  #nextId = 1;
  #rest = '';
  #closed: CzoneError | null = null;
  #greeting: ((version: string) => void) | null = null;
  version = '';

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#events.setMaxListeners(0);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error) => this.#close(gone(error.message)));
    socket.on('close', () => this.#close(gone('it closed the monitor')));
  }

  /** Connects, reads the greeting and leaves the negotiation mode. */
  static async connect(path: string, timeoutMs: number = LIMITS.qmpConnectMs): Promise<QmpClient> {
    const socket = net.createConnection(path);
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      await once(socket, 'connect', { signal: timeout });
    } catch (error) {
      socket.destroy();
      throw new CzoneError('UNAVAILABLE', `QEMU's monitor ${path} does not answer`, {
        cause: error,
      });
    }
    const client = new QmpClient(socket);
    try {
      client.version = await client.#awaitGreeting(timeout);
      await client.command('qmp_capabilities');
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /**
   * Carries out one command. Rejects with QmpRefusal when QEMU says no, with
   * UNAVAILABLE when it is gone, with DEADLINE_EXCEEDED when it keeps silent.
   */
  command(name: string, args: object = {}, timeoutMs: number = LIMITS.qmpCommandMs) {
    return new Promise<unknown>((resolve, reject) => {
      if (this.#closed !== null) {
        reject(this.#closed);
        return;
      }
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(
          new CzoneError('DEADLINE_EXCEEDED', `QEMU did not answer ${name} within ${timeoutMs} ms`),
        );
      }, timeoutMs);
      this.#waiting.set(id, { command: name, resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: name, arguments: args, id })}\n`);
    });
  }

  /** A command of the human monitor; resolves to what it printed. */
  async humanCommand(line: string): Promise<string> {
    const value = await this.command('human-monitor-command', { 'command-line': line });
    return z.string().parse(value).trim();
  }

  /** Resolves with the first event that matches and comes after this call. */
  awaitEvent(matches: (event: QmpEvent) => boolean, what: string, timeoutMs: number) {
    return new Promise<QmpEvent>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#events.off('event', onEvent);
        this.#events.off('closed', onClosed);
      };
      const onEvent = (event: QmpEvent) => {
        if (!matches(event)) return;
        end();
        resolve(event);
      };
      const onClosed = (error: CzoneError) => {
        end();
        reject(error);
      };
      const timer = setTimeout(() => {
        end();
        reject(
          new CzoneError('DEADLINE_EXCEEDED', `QEMU did not report ${what} within ${timeoutMs} ms`),
        );
      }, timeoutMs);
      this.#events.on('event', onEvent);
      this.#events.on('closed', onClosed);
      if (this.#closed !== null) onClosed(this.#closed);
    });
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#events.on('event', listener);
  }

  close(): void {
    this.#close(new CzoneError('UNAVAILABLE', "QEMU's monitor was closed"));
  }

  async #awaitGreeting(signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) =>
        reject(
          new CzoneError('UNAVAILABLE', `QEMU's monitor gave no greeting: ${messageOf(error)}`),
        );
      signal.addEventListener('abort', () => fail(signal.reason), { once: true });
      this.#events.once('closed', fail);
      this.#greeting = (version) => {
        this.#events.off('closed', fail);
        resolve(version);
      };
    });
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LIMITS.qmpLineBytes) {
      this.#close(gone(`it sent a line of more than ${LIMITS.qmpLineBytes} bytes`));
      return;
    }
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = line.length > LIMITS.qmpLineBytes ? null : parseQmpLine(line);
      if (message === null) {
        this.#close(gone(`it sent what is not QMP: ${line.slice(0, 80)}`));
        return;
      }
      this.#handle(message);
    }
  }

  #handle(message: QmpMessage): void {
    switch (message.kind) {
      case 'greeting':
        this.#greeting?.(message.version);
        this.#greeting = null;
        return;
      case 'event':
        this.#events.emit('event', message.event);
        return;
      case 'success':
        this.#take(message.id)?.resolve(message.value);
        return;
      case 'failure': {
        const waiting = message.id === null ? null : this.#take(message.id);
        waiting?.reject(new QmpRefusal(waiting.command, message.className, message.text));
      }
    }
  }

  #take(id: number): Waiting | null {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return null;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #close(error: CzoneError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#socket.destroy();
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
    this.#waiting.clear();
    this.#events.emit('closed', error);
  }
}

function gone(detail: string): CzoneError {
  return new CzoneError('UNAVAILABLE', `QEMU is gone: ${detail}`);
}
