// SPDX-License-Identifier: Apache-2.0
// The error of a client that finds no node, or loses it during a call: the node
// may have died, and someone should look at what it left.
import { CzoneError } from '../protocol/errors.js';

export class NoNodeError extends CzoneError {
  readonly socketPath: string;

  constructor(message: string, socketPath: string, cause: unknown) {
    super('UNAVAILABLE', message, { cause });
    this.socketPath = socketPath;
  }
}
