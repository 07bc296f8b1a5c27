// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { Events, type Watcher } from '../../src/guest/events.js';
import {
  type ContainerExit,
  ExitReason,
  type WatchResponse,
} from '../../src/protocol/gen/czone/guest/v1/agent.js';
import { EXITS_KEPT, LOG_CHUNK_MAX_BYTES } from '../../src/protocol/limits.js';

const SNAPSHOT: WatchResponse = { event: { $case: 'snapshot', value: { containers: [] } } };

class FakeWatcher implements Watcher {
  readonly got: string[] = [];
  ended = false;
  /** How many events may be sent before it wants to be waited for. */
  room = Number.POSITIVE_INFINITY;
  #drained: (() => void)[] = [];

  send({ event }: WatchResponse): boolean {
    if (event?.$case === 'snapshot') this.got.push('snapshot');
    if (event?.$case === 'exit') this.got.push(`exit ${event.value.containerId}`);
    if (event?.$case === 'log') {
      const { containerId, stream, data } = event.value;
      this.got.push(`log ${containerId} ${stream} ${Buffer.from(data).toString()}`);
    }
    this.room -= 1;
    return this.room > 0;
  }

  whenDrained(): Promise<void> {
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  drain(room: number): void {
    this.room = room;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  end(): void {
    this.ended = true;
    this.drain(0);
  }
}

function exitOf(containerId: string): ContainerExit {
  return { containerId, zoneId: 1, reason: ExitReason.EXIT_REASON_EXITED, exitCode: 0, signal: 0 };
}

const settle = () => new Promise(setImmediate);

t.test("output that waited comes first, a container's exit last", async (t) => {
  const events = new Events();
  events.logsOf('a')[0].append(Buffer.from('one'));
  events.logsOf('a')[1].append(Buffer.from('two'));
  events.exit(exitOf('a'));
  const watcher = new FakeWatcher();
  events.attach(watcher, SNAPSHOT);
  await settle();
  t.strictSame(watcher.got, ['snapshot', 'log a 1 one', 'log a 2 two', 'exit a']);
});

t.test('a slow watcher is waited for', async (t) => {
  const events = new Events();
  const watcher = new FakeWatcher();
  watcher.room = 2;
  events.attach(watcher, SNAPSHOT);
  for (const id of ['a', 'b', 'c']) events.exit(exitOf(id));
  await settle();
  t.strictSame(watcher.got, ['snapshot', 'exit a']);
  watcher.drain(10);
  await settle();
  t.strictSame(watcher.got.slice(2), ['exit b', 'exit c']);
});

t.test('a new watcher ends the older and hears of kept exits again', async (t) => {
  const events = new Events();
  const [older, newer] = [new FakeWatcher(), new FakeWatcher()];
  events.attach(older, SNAPSHOT);
  events.exit(exitOf('a'));
  await settle();
  events.attach(newer, SNAPSHOT);
  events.exit(exitOf('b'));
  await settle();
  t.ok(older.ended);
  t.strictSame(newer.got, ['snapshot', 'exit a', 'exit b']);
});

t.test('a new watcher is served though the older one was stuck', async (t) => {
  const events = new Events();
  const [stuck, newer] = [new FakeWatcher(), new FakeWatcher()];
  stuck.room = 1;
  events.attach(stuck, SNAPSHOT);
  events.exit(exitOf('a'));
  events.exit(exitOf('b'));
  await settle();
  events.attach(newer, SNAPSHOT);
  await settle();
  t.strictSame(newer.got, ['snapshot', 'exit a', 'exit b']);
});

t.test('containers take turns', async (t) => {
  const events = new Events();
  const whole = 'x'.repeat(LOG_CHUNK_MAX_BYTES - 1);
  for (const text of ['1', '2']) events.logsOf('a')[0].append(Buffer.from(text + whole));
  events.logsOf('b')[0].append(Buffer.from('3'));
  const watcher = new FakeWatcher();
  events.attach(watcher, SNAPSHOT);
  await settle();
  t.strictSame(
    watcher.got.map((line) => line.slice(0, 'log a 1 1'.length)),
    ['snapshot', 'log a 1 1', 'log b 1 3', 'log a 1 2'],
  );
});

t.test('only so many exits are kept', async (t) => {
  const events = new Events();
  for (let count = 0; count <= EXITS_KEPT; count++) events.exit(exitOf(`c${count}`));
  t.equal(events.exitOf('c0'), null);
  t.ok(events.exitOf('c1'));
});

t.test('output that comes in a moment is sent in one piece', async (t) => {
  const events = new Events(10);
  const watcher = new FakeWatcher();
  events.attach(watcher, SNAPSHOT);
  for (const text of ['one ', 'two ', 'three']) {
    events.logsOf('a')[0].append(Buffer.from(text));
    events.wake();
    await settle();
  }
  t.strictSame(watcher.got, ['snapshot']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.strictSame(watcher.got, ['snapshot', 'log a 1 one two three']);
});

t.test('an exit does not wait for that', async (t) => {
  const events = new Events(60_000);
  const watcher = new FakeWatcher();
  events.attach(watcher, SNAPSHOT);
  events.logsOf('a')[0].append(Buffer.from('last words'));
  events.wake();
  events.exit(exitOf('a'));
  await settle();
  t.strictSame(watcher.got, ['snapshot', 'log a 1 last words', 'exit a']);
});
