// SPDX-License-Identifier: Apache-2.0
// Function images: read-only disks that are found by their serial number, mounted
// once and kept, since all containers of an image share them.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError } from '../protocol/errors.js';
import { runCommand } from './run-command.js';

export interface ImageRoots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
  /** Below it each image is mounted by its serial number. */
  readonly mounts: string;
}

/** A disk that was just plugged in shows up within this time. */
const APPEAR_MS = 5000;
const APPEAR_POLL_MS = 10;

export class Images {
  readonly #roots: ImageRoots;
  readonly #run: typeof runCommand;
  readonly #mounted = new Map<string, Promise<string>>();

  constructor(roots: ImageRoots, run: typeof runCommand = runCommand) {
    this.#roots = roots;
    this.#run = run;
  }

  /** The directory where the image is mounted. NOT_FOUND when no disk has the serial number. */
  mount(serial: string): Promise<string> {
    const known = this.#mounted.get(serial);
    if (known) return known;
    const mounting = this.#mount(serial);
    this.#mounted.set(serial, mounting);
    mounting.catch(() => this.#mounted.delete(serial));
    return mounting;
  }

  async #mount(serial: string): Promise<string> {
    const target = join(this.#roots.mounts, serial);
    if (await this.#isMounted(target)) return target;
    const device = await this.#waitForDisk(serial);
    await mkdir(target, { recursive: true });
    await this.#run('mount', ['-t', 'erofs', '-o', 'ro,nodev,nosuid', device, target]);
    return target;
  }

  /** By an earlier daemon. */
  async #isMounted(target: string): Promise<boolean> {
    const mounts = await readFile(join(this.#roots.proc, 'self/mounts'), 'utf8');
    return mounts.split('\n').some((line) => line.split(' ')[1] === target);
  }

  async #waitForDisk(serial: string): Promise<string> {
    for (let waitedMs = 0; ; waitedMs += APPEAR_POLL_MS) {
      const device = await this.#findDisk(serial);
      if (device !== null) return join(this.#roots.dev, device);
      if (waitedMs >= APPEAR_MS) {
        throw new CzoneError(
          'NOT_FOUND',
          `No disk with the serial number ${serial} has appeared in the sandbox within ${APPEAR_MS} ms.`,
        );
      }
      await sleep(APPEAR_POLL_MS);
    }
  }

  async #findDisk(serial: string): Promise<string | null> {
    const blocks = join(this.#roots.sys, 'block');
    for (const name of await readdir(blocks)) {
      const text = await readFile(join(blocks, name, 'serial'), 'utf8').catch(() => '');
      if (text.trim() === serial) return name;
    }
    return null;
  }
}
