// SPDX-License-Identifier: Apache-2.0
// Commands against a fake node: tables for people, --json for programs.
import t from 'tap';
import type { ContainerView } from '../../src/host/controller-api.js';
import type { ZoneId } from '../../src/protocol/ids.js';
import { MIB } from '../../src/protocol/units.js';
import { cli } from './run-cli.js';

const PLACE = ['place', 'html', '--tenant', 'acme', '--memory', '64MiB'];

t.test('place tells what was placed, where and how long each stage took', async (t) => {
  const { czone, controller } = await cli(t);
  const words = ['--cpu', '0.5', '--env', 'A=1=2', '--env', 'B=', '--label', 'k=v'];
  const { code, stdout } = await czone(...PLACE, ...words, '--', 'python3', '--version');
  t.equal(code, 0);
  t.match(stdout, /c-a00000000000 .*html of acme at http:\/\/127\.0\.0\.1:20000/);
  t.match(stdout, /zone 1: 66 MiB at 0x100000000/);
  t.match(stdout, /plug 1\.2 ms, ready 250 ms/);
  t.match(controller.calls[0]?.args[0], {
    cpuMillis: 500,
    environment: [
      ['A', '1=2'],
      ['B', ''],
    ],
    labels: [{ key: 'k', value: 'v' }],
    command: ['python3', '--version'],
  });
});

t.test('place --count places so many; --json lists them', async (t) => {
  const { czone, controller } = await cli(t);
  const { code, stdout, stderr } = await czone(...PLACE, '--count', '5', '--json');
  t.equal(code, 0);
  t.equal(stderr, '');
  t.equal(controller.containers().length, 5);
  const { containers } = JSON.parse(stdout) as { containers: ContainerView[] };
  t.equal(containers.length, 5);
  t.match(containers[0], { state: 'RUNNING', memoryBytes: 64 * MIB, stages: [{ name: 'plug' }] });
});

t.test('a relative image is meant from where the command runs', async (t) => {
  const { czone, controller } = await cli(t);
  await czone(...PLACE, '--image', 'images/html');
  t.match(controller.calls[0]?.args[0], { image: `${process.cwd()}/images/html` });
});

t.test('ps shows zones and bytes on the host; -a those that ended', async (t) => {
  const { czone, controller } = await cli(t);
  const [a, b] = [controller.add(), controller.add()];
  await czone('stop', a.containerId);
  const living = await czone('ps');
  t.match(living.stdout, /^CONTAINER +TENANT +FUNCTION +STATE +VM +ZONE +MEMORY +ON HOST/);
  t.match(living.stdout, new RegExp(`${b.containerId} +acme +html +RUNNING .* 64 MiB +40 MiB`));
  t.notMatch(living.stdout, a.containerId);
  t.match((await czone('ps', '-a')).stdout, new RegExp(`${a.containerId} .*stopped +20 MiB`));
  const { containers } = JSON.parse((await czone('ps', '-a', '--json')).stdout) as {
    containers: ContainerView[];
  };
  t.match(containers, [
    { containerId: a.containerId, residentBytes: null, exit: { reason: 'STOPPED' } },
    { containerId: b.containerId, residentBytes: 40 * MIB, exit: null },
  ]);
  t.equal((await czone('ps', '--tenant', 'nobody')).stdout, 'no containers\n');
});

t.test('stop, pause and resume take shortened ids', async (t) => {
  const { czone, controller } = await cli(t);
  for (let n = 0; n < 17; n++) controller.add();
  t.equal((await czone('pause', 'c-a0000000000f')).stdout, 'c-a0000000000f is paused\n');
  t.equal((await czone('resume', 'a0000000000f')).stdout, 'c-a0000000000f runs again\n');
  const one = await czone('stop', 'a0000000001', '--grace', '500ms');
  t.match(one.stdout, /c-a00000000010 has ended; stopped; the host has 20 MiB of 20 MiB back/);
  t.strictSame(controller.calls.at(-1), { method: 'stop', args: ['c-a00000000010', 500] });
  const many = await czone('stop', 'a0000');
  t.equal(many.code, 2);
  t.match(many.stderr, /a0000 is the beginning of 16 container ids/);
});

t.test('a container that lives is meant before one that has ended', async (t) => {
  const { czone, controller } = await cli(t);
  controller.add({ state: 'EXITED' });
  controller.add();
  t.equal((await czone('pause', 'a')).stdout, 'c-a00000000001 is paused\n');
});

t.test('of several containers all are stopped that can be', async (t) => {
  const { czone, controller } = await cli(t);
  const [a, b] = [controller.add(), controller.add()];
  const { code, stdout } = await czone(
    ...['stop', a.containerId, 'c-000000000000', b.containerId, '--json'],
  );
  t.equal(code, 3);
  const { containers, errors, error } = JSON.parse(stdout) as {
    containers: ContainerView[];
    errors: object[];
    error: { code: string };
  };
  t.strictSame(containers.map(({ containerId }) => containerId).sort(), [
    a.containerId,
    b.containerId,
  ]);
  t.match(errors, [{ item: 'c-000000000000', code: 'NOT_FOUND' }]);
  t.equal(error.code, 'NOT_FOUND');
});

t.test('memory names the pages that keep a zone of an ended container', async (t) => {
  const { czone, controller } = await cli(t);
  controller.zombies = [
    {
      zoneId: 9 as ZoneId,
      rangeStart: 2 ** 33,
      rangeBytes: 32 * MIB,
      limitBytes: 64 * MIB,
      state: 'zombie',
      containerId: null,
      residentBytes: 12_288,
      inUseBytes: 8192,
      pins: [{ start: 2 ** 33 + 4096, sizeBytes: 8192, reason: 'reference', references: 2 }],
    },
  ];
  controller.add();
  const { stdout } = await czone('memory');
  t.match(stdout, /9 +0x200000000 +32 MiB +64 MiB +zombie +12 KiB +-/);
  t.match(stdout, /zone 9 outlives its container: 8 KiB are in use/);
  t.match(stdout, /8 KiB at 0x200001000, by a reference outside of page tables.*\(2 references\)/);
  t.match(JSON.parse((await czone('sandboxes', '--json')).stdout), {
    sandboxes: [{ zombies: [{ zoneId: 9, inUseBytes: 8192, pins: [{ reason: 'reference' }] }] }],
  });
});

t.test('memory, reclaim, sandboxes, info and inspect', async (t) => {
  const { czone, controller } = await cli(t);
  const { containerId, sandboxId } = controller.add();
  const memory = await czone('memory');
  t.match(memory.stdout, /on the host 100 MiB, plugged 66 MiB, budget 8 GiB/);
  t.match(
    memory.stdout,
    new RegExp(`1 +0x100000000 +66 MiB +66 MiB +plugged +40 MiB +${containerId}`),
  );
  t.match(JSON.parse((await czone('memory', '--sandbox', 'b', '--json')).stdout), {
    sandboxes: [{ sandboxId, strayBytes: 0, zones: [{ residentBytes: 40 * MIB }] }],
  });
  t.match((await czone('reclaim')).stdout, /24 MiB returned to the host\n$/);
  await czone('reclaim', '--container', 'a');
  t.strictSame(controller.calls.at(-1)?.args, [{ containerId }, { coldBytes: 0 }]);
  await czone('reclaim', '--sandbox', sandboxId);
  t.strictSame(controller.calls.at(-1)?.args, [{ sandboxId }, { coldBytes: 0 }]);
  t.match((await czone('reclaim', '--cold', '4MiB')).stdout, /58 MiB +8 MiB +4 MiB +1 MiB\n/);
  t.strictSame(controller.calls.at(-1)?.args, [null, { coldBytes: 4 * MIB }]);
  t.match((await czone('sandboxes')).stdout, /vm-b0000000 +acme +READY +1 +66 MiB/);
  t.match((await czone('info')).stdout, /accelerator: +tcg: \/dev\/kvm does not exist/);
  t.match(JSON.parse((await czone('info', '--json')).stdout), {
    functions: [{ functionId: 'html' }],
  });
  t.match((await czone('inspect', containerId)).stdout, /python3 +1 +5\.9 MiB of 5\.9 MiB/);
  t.match((await czone('delete-sandbox', 'b')).stdout, /the host has 80 MiB back/);
});

t.test('logs are what the container wrote, byte for byte', async (t) => {
  const { czone, controller } = await cli(t);
  const { containerId } = controller.add();
  controller.logChunks = [Buffer.from('grüe'), Buffer.from('zi\nwithout end of line')];
  t.equal((await czone('logs', containerId)).stdout, 'grüezi\nwithout end of line');
  t.strictSame(JSON.parse((await czone('logs', containerId, '--json')).stdout), {
    containerId,
    text: 'grüezi\nwithout end of line',
  });
  await czone('logs', containerId, '--tail', '1KiB');
  t.strictSame(controller.calls.at(-1)?.args, [containerId, false, 1024]);
});
