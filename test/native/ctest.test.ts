// SPDX-License-Identifier: Apache-2.0
// Builds the native code without Node, with sanitizers, and reports each case of
// its tests. The build directory is kept, so that a second run builds what changed.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILD = `${ROOT}dist/native`;
const JOBS = `${availableParallelism()}`;
const RESULT = /^\s*\d+\/\d+ Test\s+#\d+: (\S+) \.+\s*(Passed|\*\*\*.*?)\s+[\d.]+ sec/;

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.stderr.on('data', (part: Buffer) => parts.push(part));
    child.on('error', (error) => resolve({ status: null, output: error.message }));
    child.on('close', (status) => resolve({ status, output: Buffer.concat(parts).toString() }));
  });
}

t.setTimeout(600_000);

const configured = await run('cmake', ['-S', `${ROOT}native`, '-B', BUILD, '-DCZONE_SANITIZE=ON']);
t.equal(configured.status, 0, 'cmake configures native/') || t.comment(configured.output);
const built = await run('cmake', ['--build', BUILD, '--parallel', JOBS]);
t.equal(built.status, 0, 'native/ builds without Node') || t.comment(built.output);

const tested = await run('ctest', ['--test-dir', BUILD, '-j', JOBS, '--output-on-failure']);
let cases = 0;
for (const line of tested.output.split('\n')) {
  const result = RESULT.exec(line);
  if (!result) continue;
  cases += 1;
  t.equal(result[2], 'Passed', result[1] ?? line);
}
t.ok(cases > 0, 'there are cases');
t.equal(tested.status, 0, 'ctest ends well') || t.comment(tested.output);
