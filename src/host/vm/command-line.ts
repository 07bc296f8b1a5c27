// SPDX-License-Identifier: Apache-2.0
// The command line of QEMU for one VM. Pure: options in, arguments out.
//
// Memory: two files. Boot memory lies at guest-physical 0, the zone region at 4 GiB.
// QEMU takes two files as the memory of two NUMA nodes; the guest knows none.
import { GIB, MIB } from '../../protocol/units.js';
import { blockNode } from './block-node.js';
import type { PageSize } from './page-size.js';

export interface CommandLineOptions {
  readonly accelerator: 'kvm' | 'tcg';
  readonly vmName: string;
  /** Random, 128 bits: by it a later node proves that the process is ours. */
  readonly uuid: string;
  readonly vcpus: number;
  /** Of an emulated VM; without a bound it grows to hundreds of MiB. */
  readonly translationBytes: number;
  readonly bootMemoryBytes: number;
  readonly regionBytes: number;
  /** Descriptors of the memory files as QEMU inherits them. */
  readonly memoryFds: readonly [boot: number, region: number];
  readonly pageSize: PageSize;
  readonly kernelPath: string;
  readonly rootfsPath: string;
  /** See readsDirectly(). */
  readonly rootfsDirect: boolean;
  readonly qmpSocketPath: string;
  readonly agentSocketPath: string;
  /** A root shell of the guest, for its operator; null: none. */
  readonly shellSocketPath: string | null;
  /** Root ports for images; one more is made for the device. */
  readonly imageSlots: number;
  /** -run-with exit-with-parent=on: QEMU 10.2 and newer. */
  readonly exitWithParent: boolean;
}

/** Where the zone region begins in every guest: bytes, guest-physical. */
export const REGION_START = 4 * GIB;
/** Name of the virtio-serial port that carries the guest daemon's link. */
const AGENT_PORT = 'czone.agent';
/** Name of the port on which the guest's init gives a shell. */
export const SHELL_PORT = 'czone.shell';
/** Ids that the controller uses in QMP. */
export const AGENT_PORT_ID = 'agentport';
export const NETDEV_ID = 'net0';
export const DEVICE_PORT = 'port0';
export const imagePort = (slot: number): string => `port${slot + 1}`;

/**
 * Free memory outside of zones is reported to the host page by page: what comes and
 * goes with containers leaves it in small pieces, 15 MiB after a hundred of them.
 */
const REPORTED_ORDER = 0;

const ROOT_PORT_SLOT = 0x10;
const FUNCTIONS_A_SLOT = 8;

export function kernelCommandLine(options: { regionBytes: number }): string {
  return [
    'console=ttyS0',
    'quiet',
    'panic=-1',
    'root=/dev/vda',
    'ro',
    'rootfstype=erofs',
    'init=/sbin/czone-init',
    `page_reporting.page_reporting_order=${REPORTED_ORDER}`,
    `czone_region=0x${options.regionBytes.toString(16)}@0x${REGION_START.toString(16)}`,
  ].join(' ');
}

export function qemuArguments(options: CommandLineOptions): string[] {
  const { bootMemoryBytes, regionBytes } = options;
  const totalBytes = bootMemoryBytes + regionBytes;
  const machine = [
    'q35',
    `max-ram-below-4g=${bootMemoryBytes}`,
    'graphics=off',
    'usb=off',
    'vmport=off',
    'smm=off',
    'hpet=off',
  ];
  return [
    ['-nodefaults'],
    ['-no-user-config'],
    ['-display', 'none'],
    ['-no-reboot'],
    ['-name', `guest=${options.vmName}`],
    ['-uuid', options.uuid],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    options.exitWithParent ? ['-run-with', 'exit-with-parent=on'] : [],
    ['-machine', machine.join(',')],
    options.accelerator === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', `tcg,thread=multi,tb-size=${options.translationBytes / MIB}`, '-cpu', 'max'],
    ['-smp', `${options.vcpus}`],
    ['-m', `size=${totalBytes / MIB}M`],
    ...guestMemory(options),
    ['-kernel', options.kernelPath],
    ['-append', kernelCommandLine(options)],
    ['-chardev', 'stdio,id=console,signal=off'],
    ['-serial', 'chardev:console'],
    ['-chardev', `socket,id=qmp,server=on,wait=off,path=${escapeCommas(options.qmpSocketPath)}`],
    ['-mon', 'chardev=qmp,mode=control'],
    // What the guest frees of its boot memory goes back too, without being asked for.
    ['-device', 'virtio-balloon-pci,free-page-reporting=on'],
    ['-object', 'rng-builtin,id=rng'],
    ['-device', 'virtio-rng-pci,rng=rng'],
    // JSON, so that no character of the path needs escaping.
    ['-blockdev', JSON.stringify(blockNode('root', options.rootfsPath, options.rootfsDirect))],
    ['-device', 'virtio-blk-pci,drive=root,serial=root'],
    ['-device', 'virtio-serial-pci,id=serial,max_ports=3'],
    [
      '-chardev',
      `socket,id=agent,server=on,wait=off,path=${escapeCommas(options.agentSocketPath)}`,
    ],
    [
      '-device',
      `virtserialport,bus=serial.0,nr=1,chardev=agent,id=${AGENT_PORT_ID},name=${AGENT_PORT}`,
    ],
    ...(options.shellSocketPath === null ? [] : shellPort(options.shellSocketPath)),
    // The guest reaches nothing outside; only the forwarded ports come in.
    ['-netdev', `user,id=${NETDEV_ID},net=10.0.2.0/24,ipv6=off,restrict=on`],
    ['-device', `virtio-net-pci,netdev=${NETDEV_ID},romfile=`],
    ...rootPorts(options.imageSlots + 1),
  ].flat();
}

/** Boot memory and what lies at 4 GiB; together they are all of -m. */
export function guestMemory(
  options: Pick<
    CommandLineOptions,
    'vcpus' | 'memoryFds' | 'bootMemoryBytes' | 'regionBytes' | 'pageSize'
  >,
): string[][] {
  const [bootFd, regionFd] = options.memoryFds;
  return [
    ['-object', memoryBackend('boot', bootFd, options.bootMemoryBytes, '4KiB')],
    ['-object', memoryBackend('region', regionFd, options.regionBytes, options.pageSize)],
    ['-numa', `node,nodeid=0,cpus=0-${options.vcpus - 1},memdev=boot`],
    ['-numa', 'node,nodeid=1,memdev=region'],
  ];
}

/** A memory file that QEMU inherits, as an -object. */
export function memoryBackend(id: string, fd: number, bytes: number, pageSize: PageSize): string {
  const words = [
    'memory-backend-file',
    `id=${id}`,
    'share=on',
    `size=${bytes}`,
    `mem-path=/proc/self/fd/${fd}`,
  ];
  // Mapped at another multiple of 4 KiB, no huge page fits.
  if (pageSize === '2MiB') words.push('align=2M');
  return words.join(',');
}

function shellPort(socketPath: string): string[][] {
  return [
    ['-chardev', `socket,id=shell,server=on,wait=off,path=${escapeCommas(socketPath)}`],
    ['-device', `virtserialport,bus=serial.0,nr=2,chardev=shell,name=${SHELL_PORT}`],
  ];
}

function rootPorts(count: number): string[][] {
  return Array.from({ length: count }, (_, index) => {
    const slot = ROOT_PORT_SLOT + Math.floor(index / FUNCTIONS_A_SLOT);
    const fn = index % FUNCTIONS_A_SLOT;
    const properties = [
      'pcie-root-port',
      `id=port${index}`,
      `chassis=${index + 1}`,
      `addr=0x${slot.toString(16)}.${fn}`,
      'multifunction=on',
      // The devices behind have no I/O ports; 16 windows would not fit.
      'io-reserve=0',
    ];
    return ['-device', properties.join(',')];
  });
}

/** A comma ends an option's value unless it is doubled. */
function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}
