// SPDX-License-Identifier: Apache-2.0
// Runs one of the guest's own programs to its end.
import { execFile } from 'node:child_process';
import { CzoneError } from '../protocol/errors.js';

const TIMEOUT_MS = 20_000;
const OUTPUT_MAX_BYTES = 64 * 1024;

/** Where the guest's programs are; the daemon's own environment is not passed on. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** INTERNAL with what the program wrote to stderr. */
export function runCommand(name: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_MAX_BYTES, env: ENVIRONMENT };
    const child = execFile(name, [...args], options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const said = stderr.trim().split('\n').slice(-3).join('; ');
      const message = `${name} ${args[0] ?? ''} failed: ${said || `ended with ${error.code ?? error.signal}`}`;
      reject(new CzoneError('INTERNAL', message, { cause: error }));
    });
    // A program that ends without reading its input says why on stderr.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
