// SPDX-License-Identifier: Apache-2.0
// docs/kernel.md's table of cases and the selftests of the series name the same.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** dist/test/kernel-dev lies three folders below the checkout. */
const checkout = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Cases by program, from the lines that the patches add and take away. */
function casesOfTheSeries(): Map<string, Set<string>> {
  const cases = new Map<string, Set<string>>();
  const series = checkout('guest-kernel-patches/series');
  for (const patch of readdirSync(series).sort()) {
    let program = '';
    for (const line of readFileSync(`${series}/${patch}`, 'utf8').split('\n')) {
      const file = /^\+\+\+ b\/.*\/czone_(\w+)_test\.c$/.exec(line);
      if (file) program = file[1] ?? '';
      else if (line.startsWith('+++ ')) program = '';
      const found = /^([+-])TEST_F(?:_TIMEOUT)?\(\w+, (\w+)/.exec(line);
      if (!found || program === '') continue;
      const known = cases.get(program) ?? new Set();
      if (found[1] === '+') known.add(found[2] ?? '');
      else known.delete(found[2] ?? '');
      cases.set(program, known);
    }
  }
  return cases;
}

/** The last column of each row: "program: `case`, `case`; program: all of it". */
function casesOfTheDocs(): { program: string; names: string[] }[] {
  const text = readFileSync(checkout('docs/kernel.md'), 'utf8');
  const table = text.slice(text.indexOf('## Cases'), text.indexOf('## Changing it'));
  return table
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .flatMap((line) => (line.split('|').at(-2) ?? '').split(';'))
    .flatMap((part) => {
      const found = /^(\w+)(?:: (.*))?$/.exec(part.trim());
      if (!found) return [];
      const names = [...(found[2] ?? '').matchAll(/`([^`]+)`/g)].map((name) => name[1] ?? '');
      return [{ program: found[1] ?? '', names }];
    });
}

t.test('each case that docs/kernel.md names is there', async (t) => {
  const series = casesOfTheSeries();
  t.ok(series.size > 15);
  let named = 0;
  for (const { program, names } of casesOfTheDocs()) {
    const known = series.get(program);
    t.ok(known, program);
    for (const name of names) {
      // "…" stands for the rest of a long name.
      const pattern = new RegExp(`^${name.replace('…', '.*')}$`);
      t.ok(
        [...(known ?? [])].some((one) => pattern.test(one)),
        `${program}: ${name}`,
      );
      named += 1;
    }
  }
  t.ok(named > 30);
});

t.test('docs/kernel.md leaves no program out', async (t) => {
  const documented = new Set(casesOfTheDocs().map(({ program }) => program));
  t.same(
    [...casesOfTheSeries().keys()].filter((program) => !documented.has(program)),
    [],
  );
});
