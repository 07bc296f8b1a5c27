// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BoundedLog } from '../../../src/host/logs/bounded-log.js';

const never = new AbortController().signal;

function make(t: Test, fileBytes = 10): { log: BoundedLog; directory: string } {
  const directory = fs.mkdtempSync(join(tmpdir(), 'czone-log-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true }));
  return { log: new BoundedLog(join(directory, 'c.log'), fileBytes), directory };
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += Buffer.from(chunk).toString();
  return text;
}

t.test('what is kept stays bounded and in order', async (t) => {
  const { log, directory } = make(t);
  for (let index = 0; index < 26; index += 1) {
    log.append(Buffer.from(String.fromCharCode(97 + index)));
  }
  const kept = await collect(log.stream({ follow: false, tailBytes: 0, signal: never }));
  t.equal(kept, 'klmnopqrstuvwxyz');
  const tail = await collect(log.stream({ follow: false, tailBytes: 3, signal: never }));
  t.equal(tail, 'xyz');
  const bytes = fs.readdirSync(directory).map((name) => fs.statSync(join(directory, name)).size);
  t.same(bytes.sort(), [10, 6]);
  log.remove();
  t.same(fs.readdirSync(directory), []);
});

t.test('a chunk larger than a file is cut over files', async (t) => {
  const { log } = make(t);
  log.append(Buffer.from('0123456789abcdefghijKLM'));
  t.equal(
    await collect(log.stream({ follow: false, tailBytes: 0, signal: never })),
    'abcdefghijKLM',
  );
  log.remove();
});

t.test('a follower sees what comes and ends with the log', async (t) => {
  const { log } = make(t, 1000);
  log.append(Buffer.from('one '));
  const reading = collect(log.stream({ follow: true, tailBytes: 0, signal: never }));
  for (const word of ['two ', 'three ']) {
    await new Promise((resolve) => setImmediate(resolve));
    log.append(Buffer.from(word));
  }
  log.end();
  t.equal(await reading, 'one two three ');
  log.remove();
});

t.test('a follower can leave', async (t) => {
  const { log } = make(t);
  const abort = new AbortController();
  const reading = collect(log.stream({ follow: true, tailBytes: 0, signal: abort.signal }));
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  t.equal(await reading, '');
  log.remove();
});
