// SPDX-License-Identifier: Apache-2.0
// One command in a guest, as root, by the shell that a node with --debug-shell offers.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { CzoneError } from '../protocol/errors.js';
import { KIB } from '../protocol/units.js';

const ANSWER_MS = 60_000;
const ANSWER_MAX_CHARACTERS = 64 * KIB;

/** Answers with what it prints. INTERNAL: no answer within a minute, or one over 64 KiB. */
export function runInGuest(socketPath: string, command: string): Promise<string> {
  const mark = randomUUID();
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let text = '';
    const end = (error: CzoneError | null) => {
      clearTimeout(timer);
      socket.destroy();
      if (error !== null) reject(error);
    };
    const fail = (why: string) =>
      end(new CzoneError('INTERNAL', `the guest's shell at ${socketPath} ${why}`));
    const timer = setTimeout(() => fail('does not answer'), ANSWER_MS);
    socket.on('error', (error) => fail(`can't be asked: ${error.message}`));
    socket.on('close', () => fail('was closed'));
    socket.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.length > ANSWER_MAX_CHARACTERS) fail('says too much');
      const begin = text.indexOf(`${mark}-begin\n`);
      const close = text.indexOf(`${mark}-end\n`);
      if (begin < 0 || close < 0) return;
      end(null);
      resolve(text.slice(begin + mark.length + '-begin\n'.length, close));
    });
    // Two quotes keep the mark out of the echo of the command itself.
    socket.write(`\necho "${mark}""-begin"; ${command}; echo "${mark}""-end"\n`);
  });
}
