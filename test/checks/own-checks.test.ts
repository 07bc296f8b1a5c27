// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { filesWithoutLicence } from '../../src/checks/licences.js';
import { localNames } from '../../src/checks/local-names.js';
import { runChecks } from '../../src/checks/run-checks.js';
import { sourceFiles } from '../../src/checks/source-files.js';
import { differingHeaders } from '../../src/checks/wire-headers.js';

function tree(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

const LICENCE = '// SPDX-License-Identifier: Apache-2.0\n';

t.test('built and installed files are no source', async (t) => {
  const root = t.testdir();
  tree(root, { 'src/a.ts': '', 'node_modules/b/c.js': '', 'dist/src/a.js': '', 'x.md': '' });
  t.same(sourceFiles(root), ['src/a.ts', 'x.md']);
});

t.test('a source file without its licence line is named, generated code is not', async (t) => {
  const root = t.testdir();
  tree(root, {
    'src/a.ts': `${LICENCE}export {};\n`,
    'src/b.ts': 'export {};\n',
    'src/protocol/gen/c.ts': 'export {};\n',
    'run.sh': '#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n',
    'README.md': '# no source\n',
  });
  t.same(filesWithoutLicence(root, sourceFiles(root)), ['src/b.ts']);
});

t.test('the path of the checkout and a registry in the lock file are found', async (t) => {
  const root = t.testdir();
  tree(root, {
    'a.md': `see ${root}/a`,
    'b.md': `see ${root}-other`,
    'package-lock.json': '{ "resolved": "https://registry.invalid/x.tgz" }',
  });
  const problems = localNames(root, sourceFiles(root));
  t.equal(problems.length, 2);
  t.match(problems[0], /^a\.md/);
  t.match(problems[1], /^package-lock\.json/);
});

t.test('wire headers that differ, or that the series lacks, are named', async (t) => {
  const root = t.testdir();
  const body = '#define A 1\n';
  const patch = (name: string, line: string) =>
    `diff --git a/include/uapi/linux/${name} b/include/uapi/linux/${name}\n--- /dev/null\n` +
    `+++ b/include/uapi/linux/${name}\n@@ -0,0 +1,2 @@\n+/* SPDX-License-Identifier: X */\n+${line}\n-- \n`;
  tree(root, {
    'native/include/linux/virtio_czone.h': `/* SPDX-License-Identifier: Y */\n${body}`,
    'native/include/linux/czone.h': body,
    'guest-kernel-patches/series/0001-a.patch': patch('virtio_czone.h', '#define A 1'),
  });
  t.same(differingHeaders(root), ['the kernel series does not add include/uapi/linux/czone.h']);
  tree(root, { 'guest-kernel-patches/series/0002-b.patch': patch('czone.h', '#define A 2') });
  t.match(differingHeaders(root), [/czone\.h differs/]);
});

t.test('a check that fails, or whose tool is not there, tells why', async (t) => {
  const results = await runChecks(
    t.testdir(),
    [
      { name: 'good', command: ['true'] },
      { name: 'bad', command: ['sh', '-c', 'echo reason; exit 1'] },
      { name: 'absent', command: ['czone-no-such-tool'] },
      { name: 'own', problems: () => ['x.ts'] },
    ],
    1,
    () => {},
  );
  t.match(results, [
    { name: 'good', passed: true },
    { name: 'bad', passed: false, output: 'reason\n' },
    { name: 'absent', passed: false, output: /czone-no-such-tool could not be run/ },
    { name: 'own', passed: false, output: 'x.ts' },
  ]);
});
