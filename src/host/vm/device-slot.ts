// SPDX-License-Identifier: Apache-2.0
// Hot-adding the czone device and bringing it back: device_del, chardev-remove,
// chardev-add, device_add. Never by chardev reconnect: QEMU aborts on that.

import { BLOCK_BYTES } from '../../protocol/units.js';
import type { HostAddon } from '../device/native.js';
import { ZoneDevice, type ZoneDeviceListeners } from '../device/zone-device.js';
import { LIMITS } from '../limits.js';
import { DEVICE_PORT, REGION_START } from './command-line.js';
import { type QmpClient, QmpRefusal } from './qmp.js';

/** linux/virtio_czone.h: VIRTIO_ID_CZONE, VIRTIO_CZONE_VQ_COUNT and the config's size. */
const VIRTIO_ID = 13;
const QUEUES = 3;
const CONFIG_BYTES = 32;
const QUEUE_SIZE = 128;

export interface DeviceSlotOptions extends ZoneDeviceListeners {
  readonly addon: HostAddon;
  readonly qmp: QmpClient;
  readonly regionBytes: number;
  readonly maxZones: number;
  readonly socketPath: (generation: number) => string;
}

export class DeviceSlot {
  readonly #options: DeviceSlotOptions;
  #generation = 0;
  #device: ZoneDevice | null = null;

  constructor(options: DeviceSlotOptions) {
    this.#options = options;
  }

  /** null before the first attach and while it is being brought back. */
  get device(): ZoneDevice | null {
    return this.#device;
  }

  /** Adds the device and waits for the guest's driver. */
  async attach(): Promise<ZoneDevice> {
    const { addon, qmp } = this.#options;
    this.#generation += 1;
    const name = `czone${this.#generation}`;
    const socketPath = this.#options.socketPath(this.#generation);
    const device = new ZoneDevice(
      addon,
      {
        socketPath,
        regionAddr: REGION_START,
        regionBytes: this.#options.regionBytes,
        blockBytes: BLOCK_BYTES,
        maxZones: this.#options.maxZones,
      },
      {
        onLost: (reason) => {
          if (this.#device === device) this.#options.onLost(reason);
        },
        onViolation: this.#options.onViolation,
        onWant: this.#options.onWant,
        onReleased: this.#options.onReleased,
      },
    );
    try {
      await qmp.command('chardev-add', {
        id: name,
        backend: {
          type: 'socket',
          data: { addr: { type: 'unix', data: { path: socketPath } }, server: false },
        },
      });
      await qmp.command('device_add', {
        driver: 'vhost-user-test-device-pci',
        id: name,
        bus: DEVICE_PORT,
        chardev: name,
        'virtio-id': VIRTIO_ID,
        num_vqs: QUEUES,
        vq_size: QUEUE_SIZE,
        config_size: CONFIG_BYTES,
      });
      await device.whenReady();
    } catch (error) {
      device.close();
      throw error;
    }
    this.#device = device;
    return device;
  }

  /** Takes away what is left of the device and attaches a new one. */
  async recover(): Promise<ZoneDevice> {
    const { qmp } = this.#options;
    const name = `czone${this.#generation}`;
    const old = this.#device;
    this.#device = null;
    const deleted = qmp.awaitEvent(
      (event) => event.name === 'DEVICE_DELETED' && event.data['device'] === name,
      'the end of the czone device',
      LIMITS.deviceDeletedMs,
    );
    // Awaited below; until then a failure must not count as unhandled.
    deleted.catch(() => {});
    try {
      await qmp.command('device_del', { id: name });
      await deleted;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    old?.close();
    try {
      await qmp.command('chardev-remove', { id: name });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return this.attach();
  }

  close(): void {
    this.#device?.close();
    this.#device = null;
  }
}

/** QEMU no longer has what was to be removed. */
function isMissing(error: unknown): boolean {
  return (
    error instanceof QmpRefusal &&
    (error.className === 'DeviceNotFound' || /not found/i.test(error.message))
  );
}
