// SPDX-License-Identifier: Apache-2.0
// The whole demo against a node without VMs: its calls, its record, its clean end.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { verdicts } from '../../src/demo/checks.js';
import { type DemoOptions, runDemo } from '../../src/demo/run-demo.js';
import { SCENARIO } from '../../src/demo/scenario.js';

const FAKE_NODE = resolve('dist/test/demo/fake-node.js');

async function options(t: Test, fake: string): Promise<DemoOptions & { lines: string[] }> {
  const folder = t.testdir();
  for (const { functionId } of SCENARIO) {
    mkdirSync(join(folder, functionId), { recursive: true });
    const example = {
      request: { method: 'GET', path: '/' },
      response: {
        status: 200,
        contentType: 'application/json',
        jsonEquals: { function: functionId },
      },
    };
    writeFileSync(
      join(folder, functionId, 'function.json'),
      JSON.stringify({ examples: [example] }),
    );
  }
  process.env['CZONE_FAKE'] = fake;
  const lines: string[] = [];
  return {
    command: [FAKE_NODE],
    nodeArgs: [],
    runDir: await mkdtemp(join(tmpdir(), 'czone-test-')),
    logPath: join(folder, 'node.log'),
    functionsFolder: folder,
    say: (line) => lines.push(line),
    signal: new AbortController().signal,
    lines,
  };
}

const failed = (recording: Awaited<ReturnType<typeof runDemo>>) =>
  verdicts(recording)
    .filter(({ held }) => !held)
    .map(({ name }) => name);

t.test('every check holds on a node that does all it should', async (t) => {
  const given = await options(t, '');
  const recording = await runDemo(given);
  t.same(
    verdicts(recording).filter(({ held }) => !held),
    [],
  );
  t.ok(recording.samples.length > 4, 'sampled as it went');
  t.match(given.lines.join('\n'), /acme\/image-1 .*while it was paused/);
  t.notOk(existsSync(given.runDir), 'the run directory is gone');
});

t.test('wrong answers are found', async (t) => {
  const recording = await runDemo(await options(t, 'wrong'));
  t.ok(failed(recording).includes('every answer right'));
});

t.test('a byte that is lost and a file that is left are found', async (t) => {
  const recording = await runDemo(await options(t, 'keep'));
  t.same(failed(recording), [
    'every byte of every ended zone came back',
    'the node left nothing behind',
  ]);
});

t.test('a node that does not come up is told with what it printed', async (t) => {
  const given = { ...(await options(t, '')), command: ['-e', 'throw new Error("no QEMU")'] };
  await t.rejects(runDemo(given), /did not come up[\s\S]*no QEMU/);
  t.notOk(existsSync(given.runDir));
});

t.test('an interrupt ends the node and removes its run directory', async (t) => {
  const controller = new AbortController();
  const given = await options(t, '');
  const running = runDemo({
    ...given,
    signal: controller.signal,
    say: (line) => {
      if (/allocated/.test(line)) controller.abort(new Error('enough'));
    },
  });
  await t.rejects(running, /enough/);
  t.notOk(existsSync(given.runDir));
});
