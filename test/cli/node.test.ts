// SPDX-License-Identifier: Apache-2.0
// The life of a node process: ready line, log, signals, a second node, node stop.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { humanLine } from '../../src/cli/node/log.js';
import { NodeClient } from '../../src/node-api/client.js';
import { folder } from '../node-api/serve.js';
import { run } from './run-cli.js';

const PROGRAM = fileURLToPath(new URL('./fake-node.js', import.meta.url));

interface Node {
  readonly process: ChildProcess;
  readonly ready: Promise<string>;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function start(t: Test, runDir: string, ...words: string[]): Node {
  const child = spawn(process.execPath, [PROGRAM, runDir, ...words]);
  t.teardown(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const ready = new Promise<string>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
      if (stdout.includes('\n')) resolve(stdout);
    });
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, ready, ended };
}

t.test('a node tells when it is ready, serves, and ends in order by SIGTERM', async (t) => {
  const runDir = await folder(t);
  const node = start(t, runDir);
  t.match(
    await node.ready,
    new RegExp(`^czone node ready at ${runDir}/node\\.sock \\(pid \\d+, tcg: `),
  );
  const client = new NodeClient(join(runDir, 'node.sock'));
  t.equal((await client.info()).pid, node.process.pid);
  await t.rejects(client.deleteSandbox('vm-b0000000'), { code: 'INTERNAL' });
  client.close();
  node.process.kill('SIGTERM');
  const { code, stderr } = await node.ended;
  t.equal(code, 0);
  t.match(stderr, /SIGTERM: the node ends, with 1 VM; a second signal ends it at once/);
  t.match(stderr, /warn +the fake says hello sandboxId=vm-00000000/);
  t.match(stderr, /error .*fault of the node method=\/czone.*\n +TypeError: a fault of the fake/);
  t.notOk(existsSync(join(runDir, 'node.sock')));
});

t.test('--json: one object when it is ready; the log as JSON in a file', async (t) => {
  const runDir = await folder(t);
  const logFile = join(runDir, 'log', 'node.log');
  const node = start(t, runDir, '--json', '--log-file', logFile);
  t.match(JSON.parse(await node.ready), {
    ready: { socketPath: join(runDir, 'node.sock'), pid: node.process.pid },
  });
  node.process.kill('SIGINT');
  const { code, stderr } = await node.ended;
  t.equal(code, 0);
  t.notMatch(stderr, /hello/);
  t.match(JSON.parse(readFileSync(logFile, 'utf8').split('\n')[0] ?? ''), {
    level: 40,
    msg: 'the fake says hello',
  });
});

t.test('the second signal ends a node that does not end', async (t) => {
  const node = start(t, await folder(t), '--slow-close');
  await node.ready;
  let stderr = '';
  node.process.stderr?.on('data', (data: Buffer) => {
    stderr += data.toString();
    if (stderr.includes('a second signal')) node.process.kill('SIGTERM');
  });
  node.process.kill('SIGTERM');
  const ended = await node.ended;
  t.equal(ended.code, 130);
  t.match(ended.stderr, /ended at once/);
});

t.test('a second node on the same socket ends with 4, and the first goes on', async (t) => {
  const runDir = await folder(t);
  const first = start(t, runDir);
  await first.ready;
  const second = await start(t, runDir).ended;
  t.equal(second.code, 4);
  t.match(second.stderr, /a node already runs at/);
  const client = new NodeClient(join(runDir, 'node.sock'));
  t.teardown(() => client.close());
  await t.resolves(client.info());
});

t.test('wrong options of node start are 2 and name themselves', async (t) => {
  const runDir = await folder(t);
  for (const [words, message] of [
    [['--region', 'much'], /--region: "much" is not a size/],
    [['--max-sandboxes', '0'], /--max-sandboxes: "0"/],
    [['--log-level', 'loud'], /'loud' is invalid/],
    [['--region', '3MiB'], /regionBytes/],
    [['--socket', join(runDir, 'a'.repeat(120))], /too long|socketPath/],
  ] as const) {
    const { code, stderr } = await run(runDir, ['node', 'start', ...words]).ended;
    t.equal(code, 2, words.join(' '));
    t.match(stderr, message);
  }
  t.equal((await run(runDir, ['node']).ended).code, 2, 'node alone shows its help');
});

t.test('node stop succeeds where no node runs', async (t) => {
  const runDir = await folder(t);
  const text = await run(runDir, ['node', 'stop']).ended;
  t.equal(text.code, 0);
  t.equal(text.stdout, `no node runs at ${runDir}\n`);
  const json = await run(runDir, ['node', 'stop', '--json']).ended;
  t.strictSame(JSON.parse(json.stdout), { stopped: null, cleaned: false });
});

t.test('log lines for people', (t) => {
  const entry = { time: '2026-01-02T03:04:05.678Z', level: 30, msg: 'it is so', n: 1, s: 'a b' };
  t.equal(humanLine(JSON.stringify(entry)), '03:04:05.678 info  it is so n=1 s="a b"');
  t.equal(humanLine('not JSON'), 'not JSON');
  t.end();
});
