// SPDX-License-Identifier: Apache-2.0
// Blobs of an OCI layout, read only after their digest was compared. A blob is hashed
// again when its file has changed since (see stampOf()).
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { corrupt } from './image-error.js';
import { type ReadFiles, stampOf } from './read-files.js';

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits; checked by the schema of whatever named it. */
  readonly digest: string;
  readonly size: number;
}

export class BlobStore {
  readonly #layoutPath: string;
  readonly #verified: Map<string, string>;
  readonly #files: ReadFiles;

  /** `verified` outlives the store: from file to what it was when it was hashed. */
  constructor(layoutPath: string, verified: Map<string, string>, files: ReadFiles) {
    this.#layoutPath = layoutPath;
    this.#verified = verified;
    this.#files = files;
  }

  path(digest: string): string {
    return path.join(this.#layoutPath, 'blobs', 'sha256', digest.slice('sha256:'.length));
  }

  /** Throws FAILED_PRECONDITION when the blob is missing or is not what its name says. */
  async verify(descriptor: Descriptor): Promise<void> {
    const file = this.path(descriptor.digest);
    const stat = await this.#files.stat(file);
    if (stat === null || !stat.isFile()) {
      throw corrupt(this.#layoutPath, `blob ${descriptor.digest} is missing`);
    }
    if (stat.size !== descriptor.size) {
      throw corrupt(
        this.#layoutPath,
        `blob ${descriptor.digest} has ${stat.size} bytes instead of ${descriptor.size}, ` +
          'so its digest can not be right',
      );
    }
    const seen = stampOf(stat);
    if (this.#verified.get(file) === seen) return;
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== descriptor.digest) {
      throw corrupt(this.#layoutPath, `blob ${descriptor.digest} has digest ${found}`);
    }
    this.#verified.set(file, seen);
  }

  /** A small blob as JSON; its descriptor's size was checked against `maxBytes`. */
  async readJson(descriptor: Descriptor, maxBytes: number): Promise<unknown> {
    if (descriptor.size > maxBytes) {
      throw corrupt(
        this.#layoutPath,
        `blob ${descriptor.digest} has ${descriptor.size} bytes, at most ${maxBytes} are read`,
      );
    }
    await this.verify(descriptor);
    const text = await fs.readFile(this.path(descriptor.digest), 'utf8');
    try {
      return JSON.parse(text);
    } catch (error) {
      throw corrupt(this.#layoutPath, `blob ${descriptor.digest} is not JSON`, error);
    }
  }
}
