// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { builtArtifacts } from '../../src/host/built-artifacts.js';
import { parseNodeConfig } from '../../src/host/config.js';
import { messageOf } from '../../src/protocol/errors.js';
import { parseFunctionId } from '../../src/protocol/ids.js';

const HTML = parseFunctionId('html');
const NOBODY = parseFunctionId('nobody');
if (HTML === null || NOBODY === null) throw new Error('these are ids of functions');

t.test('the layout of a function', async (t) => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'czone-artifacts-'));
  t.teardown(() => rm(cacheDir, { recursive: true }));
  const artifacts = builtArtifacts(parseNodeConfig({ cacheDir }));

  const error: unknown = await artifacts.layoutPath(HTML).catch((cause: unknown) => cause);
  t.match(messageOf(error), /function-html was not built .*run \.\/czone images/);
  const [, missing = ''] = /there is no (\S+)\)/.exec(messageOf(error)) ?? [];
  const layout = join(missing, '..');

  await t.test('is found when it was built meanwhile', async (t) => {
    await mkdir(join(layout, 'blobs/sha256/x'), { recursive: true });
    for (const name of ['oci-layout', 'index.json']) await writeFile(join(layout, name), '{}');
    t.equal(await artifacts.layoutPath(HTML), layout);
    t.equal(await artifacts.layoutPath(HTML), layout, 'and the second time');
  });

  await t.test('is missed when somebody has removed it', async (t) => {
    await rm(layout, { recursive: true });
    await t.rejects(artifacts.layoutPath(HTML), { code: 'FAILED_PRECONDITION' });
  });

  await t.test('of an unknown function names those that there are', async (t) => {
    const known = { code: 'NOT_FOUND', message: /this node knows .*html/ };
    await t.rejects(artifacts.layoutPath(NOBODY), known);
  });
});
