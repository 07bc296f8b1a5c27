// SPDX-License-Identifier: Apache-2.0
// The czone device of one VM as the controller uses it: commands by zone, and
// whether the guest's driver is there.
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import type {
  DeviceEvent,
  DeviceFeatures,
  DeviceOptions,
  DeviceReply,
  HostAddon,
  NativeDevice,
} from './native.js';

export interface ZoneRange {
  readonly zoneId: number;
  readonly start: number;
  /** What it has. */
  readonly sizeBytes: number;
  /** Addresses that are its own. */
  readonly limitBytes: number;
}

export interface ZoneDeviceListeners {
  readonly onLost: (reason: string) => void;
  readonly onViolation: (detail: string) => void;
  readonly onWant: (zoneId: number, wantedBytes: number) => void;
  readonly onReleased: (zoneId: number) => void;
}

const NO_FEATURES: DeviceFeatures = { report: false, resize: false, zombie: false };

export class ZoneDevice {
  readonly #native: NativeDevice;
  readonly #listeners: ZoneDeviceListeners;
  readonly #readyWaiters = new Set<(ready: boolean) => void>();
  #ready = false;
  #features = NO_FEATURES;
  #closed = false;

  constructor(addon: HostAddon, options: DeviceOptions, listeners: ZoneDeviceListeners) {
    this.#listeners = listeners;
    this.#native = addon.createDevice(options, (event) => this.#handle(event));
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** None before the guest's driver has started. */
  get features(): DeviceFeatures {
    return this.#features;
  }

  /** Until the guest's driver has started the queues. DEADLINE_EXCEEDED, UNAVAILABLE. */
  whenReady(timeoutMs: number = LIMITS.deviceReadyMs): Promise<void> {
    if (this.#ready) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#readyWaiters.delete(waiter);
        reject(
          new CzoneError(
            'DEADLINE_EXCEEDED',
            `the guest's czone driver did not start within ${timeoutMs} ms: ` +
              'is the kernel the one of ./czone images?',
          ),
        );
      }, timeoutMs);
      const waiter = (ready: boolean) => {
        clearTimeout(timer);
        this.#readyWaiters.delete(waiter);
        if (ready) resolve();
        else reject(new CzoneError('UNAVAILABLE', 'the czone device was closed'));
      };
      this.#readyWaiters.add(waiter);
    });
  }

  plug(zone: ZoneRange): Promise<DeviceReply> {
    const { zoneId, start, sizeBytes, limitBytes } = zone;
    return this.#native.plug(zoneId, start, sizeBytes, limitBytes, LIMITS.plugMs);
  }

  /** Where the driver can, what can't be moved is kept as a zombie. */
  unplug(zone: ZoneRange): Promise<DeviceReply> {
    const { zoneId, start, sizeBytes, limitBytes } = zone;
    const { zombie } = this.#features;
    return this.#native.unplug(zoneId, start, sizeBytes, limitBytes, zombie, LIMITS.unplugMs);
  }

  resize(zone: ZoneRange, sizeBytes: number): Promise<DeviceReply> {
    return this.#native.resize(zone.zoneId, zone.start, sizeBytes, LIMITS.resizeMs);
  }

  report(zone: ZoneRange): Promise<DeviceReply> {
    return this.#native.report(zone.zoneId, zone.start, zone.sizeBytes, LIMITS.reportMs);
  }

  list(): Promise<DeviceReply> {
    return this.#native.list(LIMITS.listMs);
  }

  /** Bytes discarded. Only for a range that LIST has just shown the guest not to hold. */
  discard(zone: ZoneRange): number {
    return this.#native.discard(zone.start, zone.limitBytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ready = false;
    this.#native.close();
    for (const waiter of [...this.#readyWaiters]) waiter(false);
  }

  #handle(event: DeviceEvent): void {
    if (this.#closed) return;
    switch (event.kind) {
      case 'connected':
        return;
      case 'ready':
        this.#ready = true;
        this.#features = event.features;
        for (const waiter of [...this.#readyWaiters]) waiter(true);
        return;
      case 'disconnected': {
        const was = this.#ready;
        this.#ready = false;
        if (was) this.#listeners.onLost(event.reason);
        return;
      }
      case 'violation':
        this.#listeners.onViolation(event.detail);
        return;
      case 'want':
        this.#listeners.onWant(event.zoneId, event.wantedBytes);
        return;
      case 'released':
        this.#listeners.onReleased(event.zoneId);
    }
  }
}
