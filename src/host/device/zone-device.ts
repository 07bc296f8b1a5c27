// SPDX-License-Identifier: Apache-2.0
// The czone device of one VM as the controller uses it: commands by zone, and
// whether the guest's driver is there.
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import type { DeviceEvent, DeviceOptions, DeviceReply, HostAddon, NativeDevice } from './native.js';

export interface ZoneRange {
  readonly zoneId: number;
  readonly start: number;
  readonly sizeBytes: number;
}

export class ZoneDevice {
  readonly #native: NativeDevice;
  readonly #onLost: (reason: string) => void;
  readonly #onViolation: (detail: string) => void;
  readonly #readyWaiters = new Set<(ready: boolean) => void>();
  #ready = false;
  #closed = false;

  constructor(
    addon: HostAddon,
    options: DeviceOptions,
    listeners: { onLost: (reason: string) => void; onViolation: (detail: string) => void },
  ) {
    this.#onLost = listeners.onLost;
    this.#onViolation = listeners.onViolation;
    this.#native = addon.createDevice(options, (event) => this.#handle(event));
  }

  get ready(): boolean {
    return this.#ready;
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
    return this.#native.plug(zone.zoneId, zone.start, zone.sizeBytes, LIMITS.plugMs);
  }

  unplug(zone: ZoneRange): Promise<DeviceReply> {
    return this.#native.unplug(zone.zoneId, zone.start, zone.sizeBytes, LIMITS.unplugMs);
  }

  report(zone: ZoneRange): Promise<DeviceReply> {
    return this.#native.report(zone.zoneId, zone.start, zone.sizeBytes, LIMITS.reportMs);
  }

  list(): Promise<DeviceReply> {
    return this.#native.list(LIMITS.listMs);
  }

  /** Bytes discarded. Only for a range that LIST has just shown the guest not to hold. */
  discard(zone: ZoneRange): number {
    return this.#native.discard(zone.start, zone.sizeBytes);
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
        for (const waiter of [...this.#readyWaiters]) waiter(true);
        return;
      case 'disconnected': {
        const was = this.#ready;
        this.#ready = false;
        if (was) this.#onLost(event.reason);
        return;
      }
      case 'violation':
        this.#onViolation(event.detail);
    }
  }
}
