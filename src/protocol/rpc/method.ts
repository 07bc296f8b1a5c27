// SPDX-License-Identifier: Apache-2.0
// A method of a service, as the generated code has it.

export interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

export interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: Codec<Request>;
  /** Of a stream: one item. */
  readonly responseType: Codec<Response>;
}
