// SPDX-License-Identifier: Apache-2.0
// The command line's entry.
import { CommanderError } from 'commander';
import { CzoneError } from '../protocol/errors.js';
import { fail } from './command.js';
import { EXIT_OK, EXIT_USAGE } from './exit-codes.js';
import { Output } from './output.js';
import { packageVersion } from './package-version.js';
import { createProgram } from './program.js';

// A reader that has seen enough, like head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT_OK);
});

const words = process.argv.slice(2);
const behindDashes = words.indexOf('--');
const json = (behindDashes < 0 ? words : words.slice(0, behindDashes)).includes('--json');

try {
  await createProgram(packageVersion(), { quiet: json }).parseAsync(words, { from: 'user' });
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version end this way too; their exit code is 0.
  process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (json && error.exitCode !== 0) {
    const message = error.message.replace(/^error: /, '');
    fail(new Output(true), new CzoneError('INVALID_ARGUMENT', message), null);
  }
}
