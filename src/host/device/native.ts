// SPDX-License-Identifier: Apache-2.0
// The whole boundary between the controller and native code: what the addon
// czone_host.node exports. Only src/host/device imports it.

/** Results of linux/virtio_czone.h, in their order, and two of the carrier's own. */
export type DeviceResult =
  | 'OK'
  | 'INVALID'
  | 'NOENT'
  | 'EXISTS'
  | 'NOMEM'
  | 'BUSY'
  | 'UNSUPPORTED'
  | 'ERROR'
  /** No answer within the time-out. The state of the zone is unknown: LIST tells. */
  | 'TIMEOUT'
  /** The VMM or the guest's driver went away. */
  | 'DISCONNECTED';

export interface DeviceReply {
  readonly result: DeviceResult;
  /** UNPLUG with BUSY: pages of 4 KiB that are in use; else 0. */
  readonly pagesInUse: number;
  /** Nanoseconds that the guest's driver took. */
  readonly guestNs: number;
  /** Nanoseconds from the command's being queued to the final answer, discards included. */
  readonly roundTripNs: number;
  /** Allocated bytes of the zone's range just before the first discard; -1 where none ran. */
  readonly residentBeforeBytes: number;
  /** UNPLUG: bytes that came back before, unasked, while the zone's processes ended; else 0. */
  readonly earlierBytes: number;
  /** Allocated bytes that the discards freed. */
  readonly returnedBytes: number;
  /** Ranges that the guest named. */
  readonly ranges: number;
  /** PLUG and RESIZE with OK: bytes of the zone now; else 0. */
  readonly sizeBytes: number;
  /** LIST: what the guest has plugged; else empty. */
  readonly zones: readonly GuestZone[];
  /** UNPLUG with BUSY: what still uses the zombie, as far as the guest names it; else empty. */
  readonly pins: readonly GuestPin[];
}

/** Pages of a zombie in use, for one reason. */
export interface GuestPin {
  readonly addr: number;
  readonly sizeBytes: number;
  /** VIRTIO_CZONE_PIN_*, or a number that is not known yet. */
  readonly reason: number;
  readonly references: number;
}

export interface GuestZone {
  readonly zoneId: number;
  /** VIRTIO_CZONE_STATE_* */
  readonly state: number;
  readonly addr: number;
  readonly sizeBytes: number;
  readonly limitBytes: number;
  readonly freeBytes: number;
}

/** What driver and device both have. */
export interface DeviceFeatures {
  readonly report: boolean;
  readonly resize: boolean;
  readonly zombie: boolean;
}

export type DeviceEvent =
  /** QEMU has connected to the socket. */
  | { readonly kind: 'connected' }
  /** The guest's driver has started the queues: commands can be given. */
  | { readonly kind: 'ready'; readonly features: DeviceFeatures }
  /** QEMU or the driver has gone; commands under way end with DISCONNECTED. */
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** The peer broke the protocol; what it asked was refused. */
  | { readonly kind: 'violation'; readonly detail: string }
  /** A zone asks to have so much. Only the newest of a zone is told, and not too often. */
  | {
      readonly kind: 'want';
      readonly zoneId: number;
      /** When it asked. */
      readonly sizeBytes: number;
      readonly wantedBytes: number;
    }
  /** Pages of a zombie have become free: UNPLUG is worth another try. */
  | {
      readonly kind: 'released';
      readonly zoneId: number;
      readonly sizeBytes: number;
      readonly pagesInUse: number;
    };

export interface DeviceOptions {
  /** Where the vhost-user back-end listens (unix, 0600). At most 107 bytes. */
  readonly socketPath: string;
  /** Guest-physical, bytes. */
  readonly regionAddr: number;
  readonly regionBytes: number;
  readonly blockBytes: number;
  readonly maxZones: number;
}

export interface NativeDevice {
  /**
   * PLUG. Rejects only on wrong arguments, and on what contradicts what the device knows of
   * its zones; what the guest says stands in the reply. UNSUPPORTED: a limit above the
   * size without the feature.
   */
  plug(
    zoneId: number,
    addr: number,
    sizeBytes: number,
    limitBytes: number,
    timeoutMs: number,
  ): Promise<DeviceReply>;
  /**
   * UNPLUG; on OK all of the limit was discarded before the promise is fulfilled. `zombie`:
   * what can't be moved is kept (the feature is needed).
   */
  unplug(
    zoneId: number,
    addr: number,
    sizeBytes: number,
    limitBytes: number,
    zombie: boolean,
    timeoutMs: number,
  ): Promise<DeviceReply>;
  /** RESIZE to this size. What the zone lets go is discarded before the promise is fulfilled. */
  resize(zoneId: number, addr: number, sizeBytes: number, timeoutMs: number): Promise<DeviceReply>;
  /** REPORT: takes back what the zone has free. */
  report(zoneId: number, addr: number, sizeBytes: number, timeoutMs: number): Promise<DeviceReply>;
  list(timeoutMs: number): Promise<DeviceReply>;
  /**
   * Forgets and discards a zone that the guest has not: only for ranges of which
   * LIST has just shown that the guest does not hold them.
   */
  discard(addr: number, sizeBytes: number): number;
  /** Ends the thread and the socket. Idempotent. */
  close(): void;
}

/** The memory file of a VM: made here, handed to QEMU as an inherited descriptor. */
export interface NativeMemory {
  /**
   * A memfd of this size, sealed against resizing; `huge`: a file of a tmpfs of its own
   * with pages of 2 MiB, as far as the host finds any. Returns the descriptor
   * (close-on-exec).
   */
  createMemory(name: string, sizeBytes: number, huge: boolean): number;
  closeMemory(fd: number): void;
  /** Allocated bytes of [offset, offset + size) of a memory file: cachestat, or SEEK_DATA/SEEK_HOLE. */
  allocatedBytes(fd: number, offset: number, sizeBytes: number): number;
}

export interface HostAddon extends NativeMemory {
  /** malloc_trim(3): free pages of the C heap go back to the kernel. */
  trimHeap(): void;
  /**
   * Pages of files that a process has mapped and can't write, its program's and its
   * libraries', leave memory, all but those that another process maps, too; what it needs
   * again comes from the disk. Returns 0 or an errno. RangeError: no process id.
   */
  pageOutProgram(pid: number): number;
  createDevice(options: DeviceOptions, onEvent: (event: DeviceEvent) => void): NativeDevice;
}
