// SPDX-License-Identifier: Apache-2.0
// The version of this czone, as package.json has it.
import { readFileSync } from 'node:fs';

/** dist/src/cli lies three folders below package.json. */
const PACKAGE = new URL('../../../package.json', import.meta.url);

export function packageVersion(): string {
  return (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version;
}
