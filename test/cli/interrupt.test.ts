// SPDX-License-Identifier: Apache-2.0
// Ctrl-C: the call is cancelled, the exit status says so.
import { dirname } from 'node:path';
import t from 'tap';
import { serve } from '../node-api/serve.js';
import { run } from './run-cli.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

t.test('Ctrl-C gives a placement up', async (t) => {
  const { controller, socketPath } = await serve(t);
  controller.placeGate = new Promise(() => {});
  const words = ['place', 'html', '--tenant', 'acme', '--memory', '64MiB', '--count', '9'];
  const command = run(dirname(socketPath), words);
  while (controller.calls.length === 0) await turn();
  command.process.kill('SIGINT');
  t.equal((await command.ended).code, 130);
  while (controller.placeCancelled === null) await turn();
  t.match(controller.placeCancelled, { code: 'ABORTED' });
  t.strictSame(controller.containers(), [], 'nothing was placed');
});

t.test('Ctrl-C ends logs --follow, after what was there', async (t) => {
  const { controller, socketPath } = await serve(t);
  const { containerId } = controller.add();
  const command = run(dirname(socketPath), ['logs', '-f', containerId]);
  await new Promise((resolve) => command.process.stdout?.once('data', resolve));
  command.process.kill('SIGINT');
  const { code, stdout } = await command.ended;
  t.equal(code, 130);
  t.match(stdout, /^line 1\n/);
});

t.test('a reader that leaves is no error', async (t) => {
  const { controller, socketPath } = await serve(t);
  const { containerId } = controller.add();
  controller.logChunks = Array.from({ length: 200 }, () => Buffer.alloc(65_536, 'x'));
  const command = run(dirname(socketPath), ['logs', containerId]);
  command.process.stdout?.once('data', () => command.process.stdout?.destroy());
  const { code, stderr } = await command.ended;
  t.equal(code, 0);
  t.equal(stderr, '');
});
