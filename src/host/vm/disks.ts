// SPDX-License-Identifier: Apache-2.0
// Images attached to one VM: a read-only disk behind a root port each. An attached
// image stays: the guest's page cache of it serves the next container too.

import { blockNode, readsDirectly } from './block-node.js';
import { imagePort } from './command-line.js';
import type { QmpClient } from './qmp.js';

export interface DiskImage {
  /** `sha256:` and hex digits, of the image's manifest. */
  readonly digest: string;
  /** The erofs file. */
  readonly path: string;
}

/** What the guest finds in /sys/block/DISK/serial: 20 hex digits of the digest. */
export function diskSerial(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 20);
}

export class Disks {
  readonly #slots: (string | null)[];
  readonly #attaching = new Map<string, Promise<void>>();

  constructor(slotCount: number) {
    this.#slots = new Array<string | null>(slotCount).fill(null);
  }

  /** The image is attached, or a slot is free for it. */
  fits(digest: string): boolean {
    return this.#slots.includes(digest) || this.#slots.includes(null);
  }

  /** Takes a slot now, so that whoever is placed later sees it taken. */
  claim(digest: string): boolean {
    if (this.#slots.includes(digest)) return true;
    const slot = this.#slots.indexOf(null);
    if (slot === -1) return false;
    this.#slots[slot] = digest;
    return true;
  }

  /** Attaches a claimed image once, whoever asks. */
  attach(qmp: QmpClient, image: DiskImage): Promise<void> {
    const { digest } = image;
    let attaching = this.#attaching.get(digest);
    if (attaching === undefined) {
      attaching = this.#attach(qmp, image).catch((error: unknown) => {
        this.#attaching.delete(digest);
        const slot = this.#slots.indexOf(digest);
        if (slot !== -1) this.#slots[slot] = null;
        throw error;
      });
      this.#attaching.set(digest, attaching);
    }
    return attaching;
  }

  async #attach(qmp: QmpClient, image: DiskImage): Promise<void> {
    const slot = this.#slots.indexOf(image.digest);
    if (slot === -1) throw new Error(`image ${image.digest} has no slot`);
    const serial = diskSerial(image.digest);
    const node = `image-${serial}`;
    const direct = await readsDirectly(image.path);
    await qmp.command('blockdev-add', blockNode(node, image.path, direct));
    try {
      await qmp.command('device_add', {
        driver: 'virtio-blk-pci',
        id: `disk-${serial}`,
        bus: imagePort(slot),
        drive: node,
        serial,
      });
    } catch (error) {
      await qmp.command('blockdev-del', { 'node-name': node }).catch(() => {});
      throw error;
    }
  }
}
