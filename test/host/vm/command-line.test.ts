// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import {
  type CommandLineOptions,
  imagePort,
  qemuArguments,
} from '../../../src/host/vm/command-line.js';
import { MIB } from '../../../src/protocol/units.js';

const options: CommandLineOptions = {
  accelerator: 'tcg',
  vmName: 'czone-vm-00000001',
  uuid: '00000000-0000-4000-8000-000000000000',
  vcpus: 2,
  translationBytes: 128 * MIB,
  bootMemoryBytes: 256 * MIB,
  regionBytes: 2048 * MIB,
  memoryFds: [3, 4],
  pageSize: '4KiB',
  kernelPath: '/k/bzImage',
  rootfsPath: '/r/root,fs.erofs',
  rootfsDirect: true,
  qmpSocketPath: '/run/a,b/qmp.sock',
  agentSocketPath: '/run/agent.sock',
  shellSocketPath: null,
  imageSlots: 15,
  exitWithParent: true,
};
const after = (args: readonly string[], name: string) => args[args.indexOf(name) + 1] ?? '';

const backend = (args: readonly string[], id: string) =>
  args.find((arg) => arg.startsWith(`memory-backend-file,id=${id},`)) ?? '';

t.test('boot memory below 4 GiB, the region right above, a file for each', async (t) => {
  const args = qemuArguments(options);
  t.match(after(args, '-machine'), /^q35,max-ram-below-4g=268435456,/);
  t.equal(after(args, '-m'), 'size=2304M');
  t.match(backend(args, 'boot'), /share=on,size=268435456,mem-path=\/proc\/self\/fd\/3$/);
  t.match(backend(args, 'region'), /share=on,size=2147483648,mem-path=\/proc\/self\/fd\/4$/);
  t.ok(args.includes('node,nodeid=0,cpus=0-1,memdev=boot'));
  t.ok(args.includes('node,nodeid=1,memdev=region'));
  t.match(after(args, '-append'), /czone_region=0x80000000@0x100000000/);
});

t.test('huge pages are for the region, which then lies at a multiple of them', async (t) => {
  const args = qemuArguments({ ...options, pageSize: '2MiB' });
  t.match(backend(args, 'region'), /,align=2M$/);
  t.notMatch(backend(args, 'boot'), /align/);
});

t.test('an uuid proves whose process it is', async (t) => {
  t.equal(after(qemuArguments(options), '-uuid'), options.uuid);
});

t.test('an emulated VM keeps so much translated code, one with KVM none', async (t) => {
  const small = { ...options, translationBytes: 32 * MIB };
  t.match(after(qemuArguments(small), '-accel'), /,tb-size=32$/);
  t.equal(after(qemuArguments({ ...small, accelerator: 'kvm' }), '-accel'), 'kvm');
});

t.test('commas in paths do not end an option', async (t) => {
  const args = qemuArguments(options);
  t.ok(args.some((arg) => arg.endsWith('path=/run/a,,b/qmp.sock')));
  t.match(JSON.parse(after(args, '-blockdev')), { file: { filename: '/r/root,fs.erofs' } });
});

t.test('the host keeps no second copy of what the guest caches', async (t) => {
  const disk = (rootfsDirect: boolean): unknown =>
    JSON.parse(after(qemuArguments({ ...options, rootfsDirect }), '-blockdev'));
  t.match(disk(true), { 'read-only': true, file: { 'read-only': true, cache: { direct: true } } });
  t.match(disk(false), { file: { cache: { direct: false } } });
});

t.test('a root port for the device and one for each image', async (t) => {
  const ports = qemuArguments(options).filter((arg) => arg.startsWith('pcie-root-port'));
  t.equal(ports.length, 16);
  const field = (name: string) =>
    ports.map((port) => new RegExp(`${name}=([^,]+)`).exec(port)?.[1]);
  for (const name of ['id', 'chassis', 'addr']) t.equal(new Set(field(name)).size, 16, name);
  t.ok(field('id').includes(imagePort(14)));
});

t.test('the guest reaches nothing outside, and QEMU starts nothing', async (t) => {
  const args = qemuArguments(options);
  t.match(after(args, '-netdev'), /restrict=on/);
  t.match(after(args, '-sandbox'), /^on,.*spawn=deny/);
  t.ok(args.includes('-nodefaults'));
});

t.test('a shell only when it was asked for', async (t) => {
  t.notOk(qemuArguments(options).some((arg) => arg.includes('czone.shell')));
  const args = qemuArguments({ ...options, shellSocketPath: '/run/shell.sock' });
  t.ok(args.some((arg) => arg.includes('name=czone.shell')));
});
