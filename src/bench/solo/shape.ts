// SPDX-License-Identifier: Apache-2.0
// One container a VM, as small as it honestly gets: QEMU's microvm, the function's image
// as its disk, an init that becomes the function. Pure: a shape in, arguments out.
import { blockNode } from '../../host/vm/block-node.js';
import { MIB } from '../../protocol/units.js';

export interface SoloShape {
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** Emulated: how much translated code is kept, MiB. */
  readonly translationMib: number;
  /** Emulated: of the host, which is the guest's too (vm-images/bench/tsc.c). */
  readonly tscKhz: number;
  /** erofs. */
  readonly imagePath: string;
  readonly command: readonly string[];
  /** Of the host; the function listens on FUNCTION_PORT. */
  readonly hostPort: number;
  /** Waits for the host's word before the runtime starts. */
  readonly hold: boolean;
  readonly memory: SoloMemory;
  readonly qmpSocketPath: string;
  readonly portSocketPath: string;
  readonly consolePath: string;
  /** Takes over a state by migration instead of booting. */
  readonly incoming: boolean;
}

/** own: a file of its own, shared with nobody. copied: a template's, copied on write. */
export interface SoloMemory {
  readonly kind: 'own' | 'copied';
  readonly path: string;
}

export const SOLO_BYTES = 128 * MIB;
export const FUNCTION_PORT = 8080;

export function soloArguments(shape: SoloShape): string[] {
  const share = shape.memory.kind === 'own' ? 'on' : 'off';
  const append = [
    ...['console=ttyS0', 'quiet', 'panic=-1', 'reboot=t', `PORT=${FUNCTION_PORT}`],
    `run=${shape.command.join(',')}`,
    ...(shape.hold ? ['hold=1'] : []),
    ...(shape.accelerator === 'tcg' ? [`tsc_early_khz=${shape.tscKhz}`] : []),
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'microvm,memory-backend=memory,usb=off,pcie=off'],
    ...(shape.accelerator === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', `tcg,thread=multi,tb-size=${shape.translationMib}`, '-cpu', 'max']),
    ...['-smp', '1', '-m', `${SOLO_BYTES / MIB}M`],
    '-object',
    `memory-backend-file,id=memory,share=${share},size=${SOLO_BYTES},mem-path=${shape.memory.path}`,
    ...['-kernel', shape.kernelPath, '-initrd', shape.initramfsPath],
    ...['-append', append.join(' ')],
    ...['-chardev', `file,id=console,path=${shape.consolePath}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,server=on,wait=off,path=${shape.qmpSocketPath}`],
    ...['-mon', 'chardev=qmp,mode=control'],
    '-blockdev',
    // By the host's page cache: all of these VMs share it.
    JSON.stringify(blockNode('image', shape.imagePath, false)),
    ...['-device', 'virtio-blk-device,drive=image'],
    '-netdev',
    `user,id=net,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:${shape.hostPort}-:${FUNCTION_PORT}`,
    ...['-device', 'virtio-net-device,netdev=net'],
    ...['-device', 'virtio-serial-device,id=serial,max_ports=2'],
    ...['-chardev', `socket,id=port,server=on,wait=off,path=${shape.portSocketPath}`],
    ...['-device', 'virtserialport,bus=serial.0,nr=1,chardev=port,name=host'],
    ...(shape.incoming ? ['-incoming', 'defer'] : []),
  ];
}
