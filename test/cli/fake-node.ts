// SPDX-License-Identifier: Apache-2.0
// A program: the product's node around a fake controller, for tests of its life.
//   node fake-node.js RUN_DIR [--json] [--slow-close] [--log-file FILE]

import { fail } from '../../src/cli/command.js';
import { runNode } from '../../src/cli/node/run-node.js';
import { Output } from '../../src/cli/output.js';
import { FakeController } from '../node-api/fake-controller.js';

const [runDir = '', ...words] = process.argv.slice(2);
const output = new Output(words.includes('--json'));
const file = words.includes('--log-file') ? (words.at(-1) ?? null) : null;
const run = { runDir, socketPath: null, output, signal: new AbortController().signal };
const controller = new FakeController();
controller.add();
if (words.includes('--slow-close'))
  controller.close = () => new Promise(() => setInterval(() => {}, 1_000));
try {
  await runNode(run, { runDir }, { level: 'info', file }, async (_config, log) => {
    log.warn({ sandboxId: 'vm-00000000' }, 'the fake says hello');
    controller.failures.set('deleteSandbox', new TypeError('a fault of the fake'));
    return controller;
  });
} catch (error) {
  process.exitCode = fail(output, error, null);
}
