// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import t from 'tap';
import { type Example, fault, readExamples, requestBody } from '../../src/demo/examples.js';
import { SCENARIO } from '../../src/demo/scenario.js';

function example(response: Partial<Example['response']>): Example {
  return {
    request: { method: 'GET', path: '/', headers: {} },
    response: { status: 200, contentType: 'application/json', ...response },
  };
}

const answer = (body: string, contentType = 'application/json; charset=utf-8', status = 200) => ({
  status,
  contentType,
  body: Buffer.from(body),
});

t.test('an answer is right when all that is promised is there', async (t) => {
  const sha256 = createHash('sha256').update('{"a":1}').digest('hex');
  for (const response of [
    { jsonEquals: { a: 1 } },
    { bodyText: '{"a":1}' },
    { bodySha256: sha256 },
    {},
  ]) {
    t.equal(fault(example(response), answer('{"a":1}')), null);
  }
});

t.test('what is wrong with an answer', async (t) => {
  t.match(fault(example({}), answer('no', undefined, 500)), /status 500 instead of 200: "no"/);
  t.match(fault(example({}), answer('{}', 'text/html')), /content type text\/html/);
  t.match(fault(example({ jsonEquals: { a: 1 } }), answer('{"a":2}')), /another value/);
  t.match(fault(example({ jsonEquals: null }), answer('nonsense')), /another value/);
  t.match(fault(example({ bodyText: 'x' }), answer('y')), /another body/);
  t.match(fault(example({ bodySha256: '00' }), answer('y')), /a body of 1 bytes with sha256/);
});

t.test('bodies of requests', async (t) => {
  const request = { method: 'POST' as const, path: '/', headers: {} };
  const { response } = example({});
  t.equal(requestBody({ request, response }), null);
  t.same(requestBody({ request: { ...request, bodyText: 'é' }, response }), Buffer.from('é'));
  t.same(
    requestBody({ request: { ...request, bodyBase64: 'AAE=' }, response }),
    Buffer.from([0, 1]),
  );
});

t.test('every function of the scenario has examples that promise something', async (t) => {
  const folder = resolve('vm-images/functions');
  const known = await readdir(folder);
  for (const functionId of new Set(SCENARIO.map((plan) => plan.functionId))) {
    t.ok(known.includes(functionId), functionId);
    for (const { response } of await readExamples(folder, functionId)) {
      const promised = response.bodyText ?? response.bodySha256 ?? response.jsonEquals;
      t.not(promised, undefined, `${functionId} promises a body`);
    }
  }
});
