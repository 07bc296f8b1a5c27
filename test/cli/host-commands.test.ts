// SPDX-License-Identifier: Apache-2.0
// Commands that need no node: images and doctor, on an empty cache.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { folder } from '../node-api/serve.js';
import { run } from './run-cli.js';

t.test('images --list tells what is not there, and builds nothing', async (t) => {
  const home = await folder(t);
  const cache = join(home, 'cache');
  const text = await run(home, ['images', '--list', '--cache-dir', cache]).ended;
  t.equal(text.code, 0);
  t.match(text.stdout, /^NAME +STATE +SIZE +WHERE\nkernel +missing/);
  const json = await run(home, ['images', '--list', '--json', '--cache-dir', cache]).ended;
  const { artifacts } = JSON.parse(json.stdout) as { artifacts: { name: string }[] };
  const names = artifacts.map(({ name }) => name);
  for (const name of ['kernel', 'qemu', 'rootfs', 'function-html'])
    t.ok(names.includes(name), name);
  t.match(artifacts, [{ present: false, built: false, sizeBytes: 0 }]);
  t.strictSame(readdirSync(home), []);
});

t.test('images with wrong words builds nothing', async (t) => {
  const home = await folder(t);
  const cache = ['--cache-dir', join(home, 'cache')];
  const unknown = await run(home, ['images', 'nope', ...cache]).ended;
  t.equal(unknown.code, 3);
  t.match(unknown.stderr, /no artifact "nope"; there are: kernel/);
  t.equal((await run(home, ['images', '--rebuild', ...cache]).ended).code, 2);
  t.strictSame(readdirSync(home), []);
});

t.test('doctor tells each finding with its mending, and changes nothing', async (t) => {
  const home = await folder(t);
  const words = ['doctor', '--run-dir', join(home, 'run'), '--cache-dir', join(home, 'cache')];
  const json = await run(home, [...words, '--json']).ended;
  const { ok, findings } = JSON.parse(json.stdout) as {
    ok: boolean;
    findings: { name: string; status: string; found: string; mend: string | null }[];
  };
  t.equal(json.code, ok ? 0 : 4);
  t.equal(ok, !findings.some(({ status }) => status === 'fail'));
  for (const { status, found, mend } of findings) {
    t.match(status, /^(ok|warn|fail)$/);
    t.not(found, '');
    t.equal(mend === null, status === 'ok');
  }
  const text = await run(home, words).ended;
  for (const { name } of findings) t.match(text.stdout, ` ${name}: `);
  t.strictSame(readdirSync(home), []);
});
