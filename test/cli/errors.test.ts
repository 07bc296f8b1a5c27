// SPDX-License-Identifier: Apache-2.0
// Wrong input and failures: the exit code says what kind, stderr says what to do,
// with --json stdout holds one object.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CzoneError, type ErrorCode } from '../../src/protocol/errors.js';
import { folder } from '../node-api/serve.js';
import { cli, run } from './run-cli.js';

const PLACE = ['place', 'html', '--tenant', 'acme', '--memory', '64MiB'];

t.test('wrong usage is 2, and the node is not asked', async (t) => {
  const { czone, controller } = await cli(t);
  const cases: [words: string[], message: RegExp][] = [
    [['bogus'], /unknown command 'bogus'/],
    [['ps', '--bogus'], /unknown option '--bogus'/],
    [['place', 'html', '--memory', '64MiB'], /required option '--tenant/],
    [['place', '--tenant', 'acme', '--memory', '64MiB'], /missing required argument/],
    [['place', 'html', '--tenant', 'acme', '--memory', '12x'], /--memory: "12x" is not a size/],
    [['place', 'html', '--tenant', 'acme', '--memory', '0.3'], /--memory: "0\.3" is not a size/],
    [[...PLACE, '--count', '0'], /--count: "0" is not a whole number from 1/],
    [[...PLACE, '--cpu', 'many'], /--cpu: "many" is not a number of CPUs/],
    [[...PLACE, '--env', 'A'], /--env: "A" is not KEY=VALUE/],
    [[...PLACE, '--label', '=b'], /--label: "=b" is not KEY=VALUE/],
    [[...PLACE, '--ready-timeout', 'soon'], /--ready-timeout: "soon" is not a duration/],
    [['reclaim', '--container', 'a', '--sandbox', 'b'], /not both/],
    [['stop'], /missing required argument/],
  ];
  for (const [words, message] of cases) {
    const text = await czone(...words);
    t.equal(text.code, 2, words.join(' '));
    t.match(text.stderr, message);
    t.equal(text.stdout, '');
    const json = await czone(...words, '--json');
    t.equal(json.code, 2);
    t.match(JSON.parse(json.stdout), { error: { code: 'INVALID_ARGUMENT', message } });
  }
  t.strictSame(controller.calls, []);
});

t.test('what the node refuses names the field', async (t) => {
  const { czone } = await cli(t);
  for (const [words, field] of [
    [['place', 'html', '--tenant', 'acme', '--memory', '0'], 'memory_bytes'],
    [['place', 'html', '--tenant', 'ACME', '--memory', '64M'], 'tenant_id'],
    [['place', '../x', '--tenant', 'acme', '--memory', '64M'], 'function_id'],
    [[...PLACE, '--env', 'PORT=1'], 'environment[0].name'],
  ] as const) {
    const { code, stdout } = await czone(...words, '--json');
    t.equal(code, 2);
    t.match(JSON.parse(stdout), { error: { code: 'INVALID_ARGUMENT', field } });
  }
});

t.test('each code has its exit status', async (t) => {
  const { czone, controller } = await cli(t);
  const codes: [ErrorCode, number][] = [
    ['INTERNAL', 1],
    ['INVALID_ARGUMENT', 2],
    ['NOT_FOUND', 3],
    ['FAILED_PRECONDITION', 4],
    ['ALREADY_EXISTS', 4],
    ['RESOURCE_EXHAUSTED', 5],
    ['UNAVAILABLE', 6],
    ['DEADLINE_EXCEEDED', 7],
    ['ABORTED', 7],
  ];
  for (const [code, status] of codes) {
    controller.failures.set('place', new CzoneError(code, `it is ${code}`));
    const ended = await czone(...PLACE);
    t.equal(ended.code, status, code);
    t.equal(ended.stderr, `czone: it is ${code}\n`);
    t.strictSame(JSON.parse((await czone(...PLACE, '--json')).stdout), {
      error: { code, message: `it is ${code}`, field: null },
    });
  }
});

t.test('an unknown container is 3, nonsense 2', async (t) => {
  const { czone, controller } = await cli(t);
  controller.add();
  for (const command of ['stop', 'pause', 'resume', 'logs', 'inspect']) {
    t.equal((await czone(command, 'c-000000000000')).code, 3, command);
    t.equal((await czone(command, 'c-0')).code, 3, `${command}, shortened`);
    t.equal((await czone(command, '../../etc/passwd')).code, 2, command);
  }
  t.equal((await czone('memory', '--sandbox', 'vm-00000000')).code, 3);
});

t.test('without a node: 6, and how to start one', async (t) => {
  const runDir = await folder(t);
  for (const words of [['ps'], PLACE, ['stop', 'c-000000000000'], ['info']]) {
    const { code, stderr } = await run(runDir, words).ended;
    t.equal(code, 6);
    t.equal(
      stderr,
      `czone: no node runs at ${runDir}/node.sock; start one with ./czone node start\n`,
    );
  }
  const { code, stdout } = await run(runDir, ['ps', '--json']).ended;
  t.equal(code, 6);
  t.match(JSON.parse(stdout), { error: { code: 'UNAVAILABLE' } });
});

t.test('what a dead node left is cleaned up and told', async (t) => {
  const runDir = await folder(t);
  mkdirSync(join(runDir, 'vms', 'vm-0000000a'), { recursive: true });
  writeFileSync(
    join(runDir, 'node.json'),
    JSON.stringify({
      version: 1,
      nodeId: 'node-1',
      pid: 999_999_999,
      startTime: '1',
      bootId: 'of another boot',
      socketPath: join(runDir, 'node.sock'),
      startedAt: '2026-01-01T00:00:00Z',
    }),
  );
  const first = await run(runDir, ['ps']).ended;
  t.equal(first.code, 6);
  t.match(
    first.stderr,
    /the node before had died: no QEMU was left, removed its files and those of 1 VM/,
  );
  const second = await run(runDir, ['ps']).ended;
  t.notMatch(second.stderr, /had died/, 'once');
});

t.test('help and version are 0 and on stdout', async (t) => {
  const runDir = await folder(t);
  const help = await run(runDir, ['--help']).ended;
  t.equal(help.code, 0);
  t.match(help.stdout, /Exit status:/);
  for (const command of ['place', 'ps', 'stop', 'memory', 'reclaim', 'logs']) {
    t.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  }
  const version = await run(runDir, ['--version']).ended;
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  t.equal((await run(runDir, ['place', '--help']).ended).code, 0);
});
