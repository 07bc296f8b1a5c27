// SPDX-License-Identifier: Apache-2.0
// Where the builds of one run may leave something for the next: a kernel its tree.
import { mkdir, rm } from 'node:fs/promises';
import { buildDir, lockFile } from './cache.js';
import { removeBuilds } from './clean.js';
import { KEY_DIGITS } from './content-hash.js';
import { type Lock, tryLock } from './lock.js';

const NAME = 'scratch';

/** Made when it is first asked for: a run that finds all it needs writes nothing. */
export class Scratch {
  readonly #cacheDir: string;
  #made: Promise<{ dir: string; lock: Lock } | null> | null = null;

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
  }

  /** null: another run has it; builds can do without. */
  async dir(): Promise<string | null> {
    this.#made ??= this.#make();
    return (await this.#made)?.dir ?? null;
  }

  async remove(): Promise<void> {
    const made = await this.#made?.catch(() => null);
    if (!made) return;
    await rm(made.dir, { recursive: true, force: true });
    await made.lock.release();
  }

  async #make() {
    const lock = await tryLock(lockFile(this.#cacheDir, NAME));
    if (lock === null) return null;
    try {
      // What a run left that was cut off.
      await removeBuilds(this.#cacheDir, NAME);
      const dir = buildDir(this.#cacheDir, NAME, '0'.repeat(KEY_DIGITS));
      await mkdir(dir);
      return { dir, lock };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }
}
