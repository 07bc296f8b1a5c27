// SPDX-License-Identifier: Apache-2.0
// The function `json` in Node.js: same requests, same answers, same test requests
// (see ../json/handler.py and ../common/testing.py).

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_ORDERS = 10000;
const MAX_MIB = 65536;
const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;

class BadRequest extends Error {}

/** JSON with sorted keys, as the Python function writes it. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

function wholeParameter(query, name, fallback, minimum, maximum) {
  const text = query.get(name) ?? String(fallback);
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new BadRequest(`${name} must be a whole number from ${minimum} to ${maximum}`);
  }
  return value;
}

function whole(value, path, minimum) {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new BadRequest(`${path} must be a whole number of at least ${minimum}`);
  }
  return value;
}

function text(value, path) {
  if (typeof value !== 'string' || value === '') {
    throw new BadRequest(`${path} must be a text that is not empty`);
  }
  return value;
}

function* entries(value, path) {
  if (!Array.isArray(value) || value.length > MAX_ORDERS) {
    throw new BadRequest(`${path} must be a list of at most ${MAX_ORDERS}`);
  }
  for (const [at, entry] of value.entries()) {
    if (entry === null || typeof entry !== 'object' || Array.isArray(entry)) {
      throw new BadRequest(`${path}[${at}] must be an object`);
    }
    yield [`${path}[${at}]`, entry];
  }
}

function summary(document) {
  if (document === null || typeof document !== 'object' || Array.isArray(document)) {
    throw new BadRequest('the document must be an object');
  }
  const customers = new Map();
  let orders = 0;
  for (const [path, order] of entries(document.orders, 'orders')) {
    orders += 1;
    const customer = text(order.customer, `${path}.customer`);
    const total = customers.get(customer) ?? { orders: 0, items: 0, totalCents: 0 };
    customers.set(customer, total);
    total.orders += 1;
    for (const [linePath, line] of entries(order.lines, `${path}.lines`)) {
      text(line.sku, `${linePath}.sku`);
      const quantity = whole(line.quantity, `${linePath}.quantity`, 1);
      total.items += quantity;
      total.totalCents += quantity * whole(line.unitPriceCents, `${linePath}.unitPriceCents`, 0);
    }
  }
  return { orders, customers: Object.fromEntries(customers) };
}

function madeUp(count) {
  return {
    orders: Array.from({ length: count }, (_, at) => ({
      customer: `customer-${at % 7}`,
      lines: Array.from({ length: (at % 3) + 1 }, (_, line) => ({
        sku: `sku-${at}-${line}`,
        quantity: line + 1,
        unitPriceCents: (at * 13) % 997,
      })),
    })),
  };
}

function parse(body) {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new BadRequest(`the body is not JSON: ${error.message}`);
  }
}

const held = [];
const children = [];

function allocate(mib) {
  // Blocks, so that freeing gives each back to the system by itself.
  for (let at = 0; at < mib; at += 1) {
    const block = new ArrayBuffer(MIB);
    const words = new BigUint64Array(block);
    for (let word = 0; word < words.length; word += PAGE_BYTES / 8) {
      words[word] = BigInt(at * MIB + word * 8 + 1);
    }
    held.push(block);
  }
}

/** Resolves once the child holds its memory. There is no fork without exec here. */
function spawnChild(mib) {
  const program = `const held = Buffer.alloc(${mib} * ${MIB}, 1); process.stdout.write('.'); setInterval(() => held, 1 << 30);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.once('spawn', () => children.push(child));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new BadRequest('the child ended before it had its memory')));
    child.stdout.once('data', () => resolve(child.pid));
  });
}

async function free() {
  const freedMib = held.length;
  held.length = 0;
  // A collection frees blocks in the background; the next one waits for that.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await setTimeout(50);
  }
  await Promise.all(
    children.splice(0).map(
      (child) =>
        new Promise((resolve) => {
          child.once('close', resolve);
          child.kill('SIGKILL');
        }),
    ),
  );
  return freedMib;
}

async function testRequest(method, name, query) {
  if (method !== 'POST') throw new BadRequest('test requests are POST requests');
  switch (name) {
    case 'allocate':
      allocate(wholeParameter(query, 'mib', 1, 1, MAX_MIB));
      return { value: { heldMib: held.length } };
    case 'spawn':
      return { value: { childPid: await spawnChild(wholeParameter(query, 'mib', 1, 1, 2047)) } };
    case 'free':
      return { value: { freedMib: await free() } };
    case 'exit': {
      const code = wholeParameter(query, 'code', 0, 0, 255);
      return { value: { exit: code }, after: () => process.exit(code) };
    }
    case 'crash':
      return { value: { crash: true }, after: () => process.abort() };
    default:
      return { status: 404, value: { error: `no test request ${name}` } };
  }
}

async function dispatch(method, url, body) {
  if (url.pathname.startsWith('/_test/') && process.env.CZONE_TEST_ENDPOINTS === '1') {
    return testRequest(method, url.pathname.slice('/_test/'.length), url.searchParams);
  }
  if (url.pathname !== '/') return { status: 404, value: { error: `nothing at ${url.pathname}` } };
  if (method === 'POST') return { value: summary(parse(body)) };
  const document = madeUp(wholeParameter(url.searchParams, 'orders', 10, 0, MAX_ORDERS));
  return { value: summary(JSON.parse(JSON.stringify(document))) };
}

async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new BadRequest(`a body may have at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function answer(request) {
  try {
    const url = new URL(request.url ?? '/', 'http://function');
    const body = await readBody(request);
    if (url.pathname === '/healthz') return { healthy: true };
    return await dispatch(request.method, url, body);
  } catch (error) {
    if (error instanceof BadRequest) return { status: 400, value: { error: error.message } };
    console.error(error);
    return { status: 500, value: { error: 'internal error' } };
  }
}

const server = createServer(async (request, response) => {
  const { status = 200, value, after, healthy } = await answer(request);
  const text = healthy ? 'ok\n' : `${canonical(value)}\n`;
  const type = healthy ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text, after);
});

if (process.argv[2] === '--check') process.exit(0);
// The first process of a container gets no default action for a signal.
process.on('SIGTERM', () => process.exit(0));
const port = Number(process.env.PORT ?? '8080');
server.listen(port, '0.0.0.0', () => console.log(`listening on ${port}`));
