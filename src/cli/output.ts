// SPDX-License-Identifier: Apache-2.0
// What a command prints: with --json one object on stdout, also for an error;
// else tables and sentences on stdout and errors on stderr. Progress goes to stderr.
import { type CzoneError, messageOf } from '../protocol/errors.js';

export interface Streams {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export class Output {
  readonly json: boolean;
  readonly #streams: Streams;

  constructor(json: boolean, streams: Streams = process) {
    this.json = json;
    this.#streams = streams;
  }

  /** The result: as it is with --json, else as `human` writes it. */
  async result(value: object, human: () => string | Promise<string>): Promise<void> {
    this.#print(this.json ? JSON.stringify(value, null, 2) : await human());
  }

  /** Raw bytes, for logs; waits for a slow reader. */
  async bytes(data: Uint8Array): Promise<void> {
    if (this.#streams.stdout.write(data)) return;
    await new Promise((resolve) => this.#streams.stdout.once('drain', resolve));
  }

  /** One object on one line, for streams of objects. */
  line(value: object): void {
    this.#streams.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** For people alone; never mixes with the result. */
  note(text: string): void {
    this.#streams.stderr.write(`${text}\n`);
  }

  /** A note that is worth showing only to who watches. */
  progress(text: string): void {
    if (this.#streams.stderr.isTTY === true) this.note(text);
  }

  error(error: CzoneError, extra: object = {}): void {
    if (this.json) {
      this.#print(JSON.stringify({ ...extra, error: errorJson(error) }, null, 2));
    } else {
      this.note(`czone: ${error.message}`);
      for (const cause of causes(error)) this.note(`  because: ${cause}`);
    }
  }

  #print(text: string): void {
    if (text !== '') this.#streams.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }
}

export function errorJson(error: CzoneError): object {
  return { code: error.code, message: error.message, field: error.field };
}

/** Messages of the causes that the outer message does not repeat. */
function causes(error: CzoneError): string[] {
  const texts: string[] = [];
  let outer = error.message;
  for (let cause = error.cause, depth = 0; cause !== undefined && depth < 4; depth++) {
    const text = messageOf(cause).split('\n')[0] ?? '';
    // What gRPC says of a failed call stands in the message already.
    if (!('metadata' in Object(cause)) && !outer.includes(text)) texts.push(text);
    outer = text;
    cause = (cause as { cause?: unknown }).cause;
  }
  return texts;
}
