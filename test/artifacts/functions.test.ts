// SPDX-License-Identifier: Apache-2.0
// The functions of this checkout describe themselves well.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { CHECKOUT } from '../../src/artifacts/ensure.js';
import { listFunctions } from '../../src/artifacts/functions.js';
import { readExamples } from '../../src/demo/examples.js';
import { checkoutWith, GOOD_SCRIPT } from './checkout-fixture.js';

t.test('every function has a description and examples that can be checked', async (t) => {
  const functions = await listFunctions();
  t.same(
    functions.map(({ name }) => name),
    ['compress', 'html', 'image', 'json', 'linalg', 'node-json'],
  );
  for (const { name } of functions) {
    const examples = await readExamples(join(CHECKOUT, 'vm-images', 'functions'), name);
    for (const { request, response } of examples) {
      const { bodyText, bodySha256, jsonEquals } = response;
      const checks = [bodyText, bodySha256, jsonEquals].filter((check) => check !== undefined);
      t.equal(checks.length, 1, `${name}: ${request.method} ${request.path} has one expectation`);
    }
  }
});

t.test('a description that is wrong is named', async (t) => {
  const { checkout } = await checkoutWith(t, GOOD_SCRIPT);
  await t.rejects(listFunctions(checkout), { message: /html\/function\.json/ });
  const file = join(checkout, 'vm-images', 'functions', 'html', 'function.json');
  const good = { name: 'html', description: 'x', runtime: 'python', memoryMib: 32, port: 8080 };
  await writeFile(file, JSON.stringify(good));
  t.same(await listFunctions(checkout), [good]);
  await writeFile(file, JSON.stringify({ ...good, name: 'other' }));
  await t.rejects(listFunctions(checkout), { message: /name is not html/ });
});
