// SPDX-License-Identifier: Apache-2.0
// Images ready to be attached: checked, and flattened once to an erofs file named by
// the manifest's digest. Several nodes may share the cache.
import fs from 'node:fs/promises';
import path from 'node:path';
import { LIMITS } from '../limits.js';
import type { DiskImage } from '../vm/disks.js';
import { flatten } from './flatten.js';
import { type CheckedImage, checkLayout } from './layout.js';
import { ReadFiles } from './read-files.js';

export interface PreparedImage extends CheckedImage {
  readonly disk: DiskImage;
}

export class ImageStore {
  readonly #directory: string;
  /** Blobs whose digest was found right, by file. */
  readonly #verified = new Map<string, string>();
  /** By layout; the one that was read last comes last. */
  readonly #checked = new Map<string, { image: CheckedImage; files: ReadFiles }>();
  readonly #flattening = new Map<string, Promise<string>>();

  constructor(cacheDir: string) {
    this.#directory = path.join(cacheDir, 'erofs');
  }

  /**
   * Removes what interrupted builds of dead processes have left, and images that no
   * node has used for long. A VM that still has one attached keeps it open.
   */
  async removeLeftovers(nowMs: number = Date.now()): Promise<void> {
    for (const name of await fs.readdir(this.#directory).catch(() => [])) {
      const file = path.join(this.#directory, name);
      const stat = name.endsWith('.erofs') ? await fs.stat(file).catch(() => null) : null;
      if (stat !== null && nowMs - stat.mtimeMs > LIMITS.imageUnusedMs) await fs.rm(file);
      const pid = /\.tmp-(\d+)-\w+$/.exec(name)?.[1];
      if (pid === undefined || (await exists(`/proc/${pid}`))) continue;
      await fs.rm(file, { recursive: true, force: true });
    }
  }

  async prepare(layoutPath: string): Promise<PreparedImage> {
    const image = await this.#check(layoutPath);
    const { digest } = image.manifest;
    const file = path.join(this.#directory, `${digest.slice('sha256:'.length)}.erofs`);
    const stat = await fs.stat(file).catch(() => null);
    if (stat === null) await this.#flattenOnce(image, file);
    else await markAsUsed(file, stat.mtimeMs);
    return { ...image, disk: { digest, path: file } };
  }

  async #check(layoutPath: string): Promise<CheckedImage> {
    const known = this.#checked.get(layoutPath);
    if (known !== undefined && (await known.files.unchanged())) return known.image;
    this.#checked.delete(layoutPath);
    const files = new ReadFiles();
    const image = await checkLayout(layoutPath, this.#verified, files);
    this.#checked.set(layoutPath, { image, files });
    for (const oldest of this.#checked.keys()) {
      if (this.#checked.size <= LIMITS.imagesRemembered) break;
      this.#checked.delete(oldest);
    }
    return image;
  }

  async #flattenOnce(image: CheckedImage, file: string): Promise<void> {
    let flattening = this.#flattening.get(file);
    if (flattening === undefined) {
      flattening = this.#flatten(image, file).finally(() => this.#flattening.delete(file));
      this.#flattening.set(file, flattening);
    }
    await flattening;
  }

  /**
   * Needs no lock between processes: each works in a directory of its own, and the
   * rename puts the same contents in place whoever comes last.
   */
  async #flatten(image: CheckedImage, file: string): Promise<string> {
    await fs.mkdir(this.#directory, { recursive: true });
    const workDir = await fs.mkdtemp(`${file}.tmp-${process.pid}-`);
    try {
      const built = await flatten(image, workDir);
      await fs.rename(built, file);
      return file;
    } finally {
      await fs.rm(workDir, { recursive: true, force: true });
    }
  }
}

/** A read-only cache serves as well. */
async function markAsUsed(file: string, mtimeMs: number): Promise<void> {
  const now = new Date();
  if (now.getTime() - mtimeMs < LIMITS.imageUsedNoteMs) return;
  await fs.utimes(file, now, now).catch(() => {});
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
