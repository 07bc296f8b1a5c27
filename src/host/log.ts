// SPDX-License-Identifier: Apache-2.0
// What the controller writes its log with: pino's shape, so that tests can listen.

type Write = (fields: object, message: string) => void;

export interface Log {
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

export const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };
