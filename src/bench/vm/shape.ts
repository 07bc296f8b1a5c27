// SPDX-License-Identifier: Apache-2.0
// The VM in which all peers are measured: one machine, one guest, and what each peer
// needs beside. Pure: a shape in, QEMU's arguments out.
import {
  DEVICE_PORT,
  guestMemory,
  memoryBackend,
  REGION_START,
} from '../../host/vm/command-line.js';
import type { PageSize } from '../../host/vm/page-size.js';
import { MIB, roundUp } from '../../protocol/units.js';

export interface VmShape {
  /** Below 4 GiB: the kernel, page tables, memmaps of what is added. */
  readonly lowBytes: number;
  /** From 4 GiB on. */
  readonly highBytes: number;
  /** What is high is the region of the zones; else ordinary memory. */
  readonly zones: boolean;
  /** A virtio-mem device with so much; 0: none. Not beside high memory. */
  readonly virtioMemBytes: number;
  readonly balloon: 'none' | 'balloon' | 'reporting';
  /** A disk to swap to; 0: none. */
  readonly swapBytes: number;
  readonly pageSize: PageSize;
  /** instructions: one processor, whose clocks advance by 1 ns an instruction. */
  readonly clock: 'real' | 'instructions';
  /** Words of the kernel's command line. */
  readonly append: readonly string[];
}

export interface VmFiles {
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** As QEMU inherits them; the second: what is high, or what virtio-mem has. */
  readonly memoryFds: readonly [low: number, second: number];
  readonly qmpSocketPath: string;
  readonly agentSocketPath: string;
  readonly consolePath: string;
  readonly swapPath: string;
}

/** The port that vm-images/bench/agent.c looks for. */
const AGENT_PORT = 'bench';
export const VIRTIO_MEM_ID = 'vmem0';
const SECTION_BYTES = 128 * MIB;
const TRANSLATION_MIB = 128;
/** virtio-mem's own default on hosts with huge pages. */
const VIRTIO_MEM_BLOCK = '2M';

export function qemuArguments(shape: VmShape, files: VmFiles): string[] {
  const total = shape.lowBytes + shape.highBytes;
  const [lowFd, secondFd] = files.memoryFds;
  const pluggable = shape.virtioMemBytes > 0;
  return [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    [
      '-machine',
      `q35,max-ram-below-4g=${shape.lowBytes},graphics=off,usb=off,vmport=off,smm=off,hpet=off`,
    ],
    processor(shape.clock, files.accelerator),
    [
      '-m',
      pluggable
        ? `size=${total / MIB}M,maxmem=${(total + pluggableBytes(shape)) / MIB}M`
        : `size=${total / MIB}M`,
    ],
    ...(shape.highBytes > 0
      ? guestMemory({
          vcpus: processors(shape.clock),
          memoryFds: files.memoryFds,
          bootMemoryBytes: shape.lowBytes,
          regionBytes: shape.highBytes,
          pageSize: shape.pageSize,
        })
      : [
          ['-object', memoryBackend('boot', lowFd, shape.lowBytes, '4KiB')],
          ['-machine', 'memory-backend=boot'],
        ]),
    ['-kernel', files.kernelPath, '-initrd', files.initramfsPath],
    ['-append', kernelWords(shape).join(' ')],
    ['-chardev', `file,id=console,path=${files.consolePath}`, '-serial', 'chardev:console'],
    ['-chardev', `socket,id=qmp,server=on,wait=off,path=${files.qmpSocketPath}`],
    ['-mon', 'chardev=qmp,mode=control'],
    ['-device', 'virtio-serial-pci,id=serial,max_ports=2'],
    ['-chardev', `socket,id=agent,server=on,wait=off,path=${files.agentSocketPath}`],
    ['-device', `virtserialport,bus=serial.0,nr=1,chardev=agent,name=${AGENT_PORT}`],
    shape.zones ? ['-device', `pcie-root-port,id=${DEVICE_PORT},chassis=1,addr=0x10.0`] : [],
    pluggable ? virtioMem(shape, secondFd) : [],
    balloon(shape.balloon),
    shape.swapBytes > 0
      ? [
          ...['-drive', `file=${files.swapPath},format=raw,if=none,id=swap,cache=unsafe`],
          ...['-device', 'virtio-blk-pci,drive=swap'],
        ]
      : [],
  ].flat();
}

function kernelWords(shape: VmShape): string[] {
  const region = `0x${shape.highBytes.toString(16)}@0x${REGION_START.toString(16)}`;
  return [
    'console=ttyS0',
    'quiet',
    'panic=-1',
    'swiotlb=noforce',
    ...(shape.zones ? [`czone_region=${region}`] : []),
    ...shape.append,
  ];
}

function processors(clock: VmShape['clock']): number {
  return clock === 'instructions' ? 1 : 2;
}

function processor(clock: VmShape['clock'], accelerator: 'kvm' | 'tcg'): string[] {
  const smp = ['-smp', `${processors(clock)}`];
  if (clock === 'instructions') {
    // As in src/kernel-dev/vm.ts: erms and fsrm would count the emulator's own making.
    return [
      ...['-accel', 'tcg,thread=single', '-cpu', 'max,-erms,-fsrm'],
      ...['-icount', 'shift=0,sleep=off', ...smp],
    ];
  }
  return accelerator === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host', ...smp]
    : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_MIB}`, '-cpu', 'max', ...smp];
}

/** The guest adds whole sections of its memory map; of the last it may use a part. */
export function pluggableBytes({ virtioMemBytes }: Pick<VmShape, 'virtioMemBytes'>): number {
  return virtioMemBytes === 0 ? 0 : roundUp(virtioMemBytes, SECTION_BYTES);
}

function virtioMem(shape: VmShape, fd: number): string[] {
  const device = `virtio-mem-pci,id=${VIRTIO_MEM_ID},memdev=pluggable,requested-size=${shape.virtioMemBytes},block-size=${VIRTIO_MEM_BLOCK}`;
  const bytes = pluggableBytes(shape);
  return ['-object', memoryBackend('pluggable', fd, bytes, shape.pageSize), '-device', device];
}

function balloon(kind: VmShape['balloon']): string[] {
  if (kind === 'none') return [];
  return ['-device', `virtio-balloon-pci${kind === 'reporting' ? ',free-page-reporting=on' : ''}`];
}
