// SPDX-License-Identifier: Apache-2.0
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runVm, type Vm, vmArguments } from '../../src/kernel-dev/vm.js';

const vm: Vm = {
  qemuPath: 'qemu',
  kernelPath: '/k/bzImage',
  initramfsPath: null,
  disks: ['/d/root'],
  append: ['quiet'],
  bootMib: 512,
  regionMib: 1024,
  clock: 'real',
};

t.test('the region lies behind the boot memory, at 4 GiB', async (t) => {
  const words = vmArguments(vm, ['file:a', 'file:b']).join(' ');
  t.match(words, '-machine q35,max-ram-below-4g=512M -m 1536M');
  t.match(words, 'czone_region=1024M@0x100000000');
  t.match(words, '-serial file:a -serial file:b');
  t.match(words, 'readonly=on');
  t.notMatch(words, '-initrd');
});

t.test('instructions are counted on one processor', async (t) => {
  const words = vmArguments({ ...vm, clock: 'instructions' }, ['null', 'null']).join(' ');
  t.match(words, 'thread=single');
  t.match(words, '-smp 1');
  t.match(words, '-icount shift=0,sleep=off');
});

/** Stands in for QEMU: writes to the files of the two serial lines. */
async function fakeQemu(t: Test, script: string): Promise<string> {
  const path = join(t.testdir(), 'qemu');
  await writeFile(
    path,
    `#!/bin/bash
lines=()
while [ $# -gt 0 ]; do
  if [ "$1" = -serial ]; then lines+=("\${2#file:}"); fi
  shift
done
${script}
`,
  );
  await chmod(path, 0o755);
  return path;
}

t.test('lines are told as they come, all of them', async (t) => {
  const qemuPath = await fakeQemu(
    t,
    `printf 'one\\r\\ntw' >"\${lines[1]}"; sleep 0.5; printf 'o\\nrest' >>"\${lines[1]}"
echo booted >"\${lines[0]}"; exit 3`,
  );
  const told: string[] = [];
  const end = await runVm(
    { ...vm, qemuPath },
    { timeoutMs: 60_000, onOutput: (line) => told.push(line) },
  );
  t.same(told, ['one', 'two', 'rest']);
  t.match(end, { log: 'booted\n', output: 'one\r\ntwo\nrest', status: 3, timedOut: false });
});

t.test('a VM that hangs is ended', async (t) => {
  const qemuPath = await fakeQemu(t, 'exec sleep 600');
  const end = await runVm({ ...vm, qemuPath }, { timeoutMs: 300 });
  t.match(end, { timedOut: true, status: null });
});

t.test('an interrupt ends the VM', async (t) => {
  const qemuPath = await fakeQemu(t, 'exec sleep 600');
  const interrupt = new AbortController();
  setTimeout(() => interrupt.abort(), 200);
  await t.rejects(runVm({ ...vm, qemuPath }, { timeoutMs: 60_000, signal: interrupt.signal }), {
    code: 'ABORTED',
  });
});

t.test('a QEMU that is not there is told', async (t) => {
  await t.rejects(runVm({ ...vm, qemuPath: '/nowhere/qemu' }, { timeoutMs: 60_000 }), {
    code: 'FAILED_PRECONDITION',
    message: /QEMU cannot be run/,
  });
});
