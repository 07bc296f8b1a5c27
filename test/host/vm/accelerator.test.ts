// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { type AcceleratorWorld, chooseAccelerator } from '../../../src/host/vm/accelerator.js';
import { VmStateMachine } from '../../../src/host/vm/vm-state.js';
import { isAtLeast, parseVersion } from '../../../src/host/vm/vmm-binary.js';

const world = (fields: Partial<AcceleratorWorld> = {}): AcceleratorWorld => ({
  cpuinfo: async () => 'processor : 0\nflags\t\t: fpu vmx sse\n',
  openKvm: async () => {},
  probe: async () => null,
  ...fields,
});

t.test('KVM only where all three hold', async (t) => {
  t.match(await chooseAccelerator(world()), { kind: 'kvm' });
  t.match(await chooseAccelerator(world({ cpuinfo: async () => 'flags : fpu vmxoid\n' })), {
    kind: 'tcg',
    reason: /neither vmx nor svm/,
  });
  const closed = world({ openKvm: () => Promise.reject(new Error('EACCES')) });
  t.match(await chooseAccelerator(closed), { kind: 'tcg', reason: /EACCES/ });
  t.match(await chooseAccelerator(world({ probe: async () => 'it hung for 5 s' })), {
    kind: 'tcg',
    reason: /it hung for 5 s/,
  });
});

t.test('versions of QEMU', async (t) => {
  t.equal(parseVersion('QEMU emulator version 11.1.3 (Debian 1:11)'), '11.1.3');
  t.equal(parseVersion('something else'), null);
  t.ok(isAtLeast('10.2.0', '10.2'));
  t.ok(isAtLeast('11.0.0', '10.2'));
  t.notOk(isAtLeast('10.0.2', '10.2'));
  t.notOk(isAtLeast('7.2.22', '10.2'));
});

t.test('a VM makes only listed moves', async (t) => {
  const machine = new VmStateMachine();
  t.throws(() => machine.move('RECOVERING'));
  machine.move('READY');
  machine.move('RECOVERING');
  machine.move('READY');
  machine.move('STOPPING');
  t.throws(() => machine.move('READY'));
  machine.move('STOPPED');
  for (const state of ['BOOTING', 'READY', 'RECOVERING', 'STOPPING', 'FAILED'] as const) {
    t.notOk(machine.may(state), `nothing follows the end, not ${state}`);
  }
});
