// SPDX-License-Identifier: Apache-2.0
// The kernel commands refuse what is wrong before they build anything.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { folder } from '../node-api/serve.js';
import { run } from './run-cli.js';

t.test('wrong arguments are told at once', async (t) => {
  const home = await folder(t);
  const cases: [words: string[], code: number, message: RegExp][] = [
    [['kernel', 'bogus'], 2, /unknown command 'bogus'/],
    [['kernel', 'build', '--debug', '--release'], 2, /exclude each other/],
    [['kernel', 'build', '--tree', '/nowhere/linux'], 3, /'czone kernel tree \/nowhere\/linux'/],
    [['kernel', 'tree', '--renew', '/nowhere/linux'], 2, /the tree in the cache alone/],
    [['kernel', 'shell'], 2, /needs a terminal; give a command/],
    [['kernel', 'shell', '--timeout', 'soon', '--', 'true'], 2, /--timeout: "soon"/],
    [['kernel', 'test', '--long', '--duration', 'soon'], 2, /--duration: "soon"/],
    [['kernel', 'bench', '--zones', '1,0'], 2, /--zones: "0" is not a whole number from 1/],
  ];
  for (const [words, code, message] of cases) {
    const ended = await run(home, words).ended;
    t.equal(ended.code, code, words.join(' '));
    t.match(ended.stderr, message);
  }
  t.notOk(existsSync(join(home, '.cache')), 'nothing was begun');
});

t.test('a tree is not made over what is there', async (t) => {
  const home = await folder(t);
  const { code, stdout } = await run(home, ['kernel', 'tree', '--json', home]).ended;
  t.equal(code, 4);
  t.match(JSON.parse(stdout), { error: { code: 'ALREADY_EXISTS' } });
});
