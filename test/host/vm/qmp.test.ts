// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { QmpClient, QmpRefusal } from '../../../src/host/vm/qmp.js';
import { parseQmpLine } from '../../../src/host/vm/qmp-messages.js';

const GREETING =
  '{"QMP":{"version":{"qemu":{"major":11,"minor":1,"micro":3}},"capabilities":[]}}\n';

interface Command {
  readonly execute: string;
  readonly id: number;
}

/** A monitor that greets and lets the test answer everything but the negotiation. */
async function monitor(t: Test, answer: (command: Command, socket: net.Socket) => void) {
  const directory = mkdtempSync(join(tmpdir(), 'czone-qmp-'));
  const path = join(directory, 'qmp.sock');
  const server = net.createServer((socket) => {
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.write(GREETING);
    socket.on('data', (text: string) => {
      for (const line of text.split('\n').filter(Boolean)) {
        const command = JSON.parse(line) as Command;
        if (command.execute === 'qmp_capabilities') {
          socket.write(`{"return":{},"id":${command.id}}\n`);
        } else answer(command, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await QmpClient.connect(path);
  t.teardown(() => {
    client.close();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return client;
}

t.test('answers find their commands whatever their order', async (t) => {
  const held: Command[] = [];
  const client = await monitor(t, (command, socket) => {
    held.push(command);
    if (held.length < 3) return;
    for (const { id, execute } of held.reverse()) {
      socket.write(`{"return":"${execute}","id":${id}}\n`);
    }
  });
  t.equal(client.version, '11.1.3');
  const answers = await Promise.all(['a', 'b', 'c'].map((name) => client.command(name)));
  t.same(answers, ['a', 'b', 'c']);
});

t.test('a refusal is an error with its class', async (t) => {
  const client = await monitor(t, ({ id }, socket) => {
    socket.write(`{"error":{"class":"DeviceNotFound","desc":"no such thing"},"id":${id}}\n`);
  });
  const error = await client.command('device_del').catch((cause: unknown) => cause);
  t.ok(error instanceof QmpRefusal);
  t.match(error, { className: 'DeviceNotFound', message: /device_del: no such thing/ });
});

t.test('silence ends in a time-out, and a late answer hurts nobody', async (t) => {
  const client = await monitor(t, ({ id, execute }, socket) => {
    if (execute === 'slow') setTimeout(() => socket.write(`{"return":1,"id":${id}}\n`), 40);
    else socket.write(`{"return":2,"id":${id}}\n`);
  });
  await t.rejects(client.command('slow', {}, 10), { code: 'DEADLINE_EXCEEDED' });
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(await client.command('quick'), 2);
});

t.test('events reach those who wait for them', async (t) => {
  const client = await monitor(t, ({ id }, socket) => {
    socket.write('{"event":"DEVICE_DELETED","data":{"path":"/x"},"timestamp":{}}\n');
    socket.write(`{"event":"DEVICE_DELETED","data":{"device":"d1"}}\n{"return":{},"id":${id}}\n`);
  });
  const wanted = client.awaitEvent(
    (event) => event.name === 'DEVICE_DELETED' && event.data['device'] === 'd1',
    'the end of d1',
    1_000,
  );
  await client.command('device_del');
  t.match(await wanted, { name: 'DEVICE_DELETED', data: { device: 'd1' } });
});

t.test('the end of QEMU rejects what is under way and what comes later', async (t) => {
  const client = await monitor(t, (_command, socket) => socket.destroy());
  const event = client.awaitEvent(() => true, 'anything', 5_000);
  await t.rejects(client.command('quit'), { code: 'UNAVAILABLE' });
  await t.rejects(event, { code: 'UNAVAILABLE' });
  await t.rejects(client.command('again'), { code: 'UNAVAILABLE' });
});

t.test('what is not QMP ends the connection', async (t) => {
  const client = await monitor(t, (_command, socket) => socket.write('<html>\n'));
  await t.rejects(client.command('x'), { code: 'UNAVAILABLE', message: /not QMP/ });
});

t.test('a line without end is not read for ever', async (t) => {
  const client = await monitor(t, (_command, socket) => {
    socket.write('x'.repeat(3 * 1024 * 1024));
  });
  await t.rejects(client.command('x'), { code: 'UNAVAILABLE', message: /line of more than/ });
});

t.test('lines that are no messages', async (t) => {
  for (const line of ['', '1', 'null', '[]', '{}', '{"return":1}', '{"return":1,"id":"a"}', '{']) {
    t.equal(parseQmpLine(line), null, line);
  }
  t.match(parseQmpLine('{"error":{"class":"GenericError","desc":"x"}}'), { id: null });
});
