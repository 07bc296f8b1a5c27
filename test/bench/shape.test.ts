// SPDX-License-Identifier: Apache-2.0
// Each peer's VM is the same but for what the peer needs.
import t from 'tap';
import { balloon, czone, freePageReporting, virtioMem } from '../../src/bench/peers/all.js';
import type { Room } from '../../src/bench/peers/peer.js';
import { qemuArguments, type VmFiles, type VmShape } from '../../src/bench/vm/shape.js';
import { MIB } from '../../src/protocol/units.js';

const files: VmFiles = {
  kernelPath: '/bzImage',
  initramfsPath: '/initramfs',
  accelerator: 'tcg',
  memoryFds: [3, 4],
  qmpSocketPath: '/qmp',
  agentSocketPath: '/agent',
  consolePath: '/console',
  swapPath: '/swap',
};
const room: Room = {
  bytes: 160 * MIB,
  containers: [128 * MIB, 32 * MIB],
  pageSize: '4KiB',
  swapBytes: 0,
};
const words = (shape: VmShape) => qemuArguments(shape, files).join(' ');

t.test('zones have a region; nobody else has a device of theirs', async (t) => {
  const text = words(czone.shape(room));
  t.match(text, /czone_region=0x[0-9a-f]+@0x100000000/);
  t.match(text, /pcie-root-port,id=port0/);
  for (const peer of [virtioMem, balloon]) {
    t.notMatch(words(peer.shape(room)), /czone_region|pcie-root-port/, peer.name);
  }
});

t.test('zones have room for their memory maps', async (t) => {
  t.ok(czone.shape(room).highBytes >= 165 * MIB);
  t.equal(czone.shape(room).highBytes % (128 * MIB), 0);
});

t.test('virtio-mem plugs what was asked for, of whole sections', async (t) => {
  const text = words(virtioMem.shape(room));
  t.match(text, /virtio-mem-pci,id=vmem0,memdev=pluggable,requested-size=167772160/);
  t.match(text, /id=pluggable,share=on,size=268435456/);
  t.match(text, /memhp_default_state=online_movable/);
});

t.test('reporting is the balloon with its feature', async (t) => {
  t.notMatch(words(balloon.shape(room)), /free-page-reporting/);
  t.match(words(freePageReporting.shape(room)), /virtio-balloon-pci,free-page-reporting=on/);
});

t.test('all have the same memory beside that of containers', async (t) => {
  const low = [czone, virtioMem, balloon].map((peer) => peer.shape(room).lowBytes);
  t.equal(new Set(low).size, 1);
});

t.test('counting instructions takes one processor, whatever the host has', async (t) => {
  const shape: VmShape = { ...czone.shape(room), clock: 'instructions' };
  const text = qemuArguments(shape, { ...files, accelerator: 'kvm' }).join(' ');
  t.match(text, /-accel tcg,thread=single .*-icount shift=0,sleep=off -smp 1/);
  t.match(text, /cpus=0-0,/);
});
