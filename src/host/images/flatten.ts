// SPDX-License-Identifier: Apache-2.0
// Makes one erofs file of an image's layers: umoci unpacks (it knows white-outs and
// keeps hostile paths inside), mkfs.erofs packs.
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import type { CheckedImage } from './layout.js';

/** `workDir` is empty and the caller's; the result is `workDir`/image.erofs. */
export async function flatten(image: CheckedImage, workDir: string): Promise<string> {
  const layout = path.join(workDir, 'layout');
  const root = path.join(workDir, 'root');
  const result = path.join(workDir, 'image.erofs');
  await writeLayout(image, layout);
  await run('umoci', ['raw', 'unpack', '--image', `${layout}:image`, root]);
  const uuid = image.manifest.digest.slice(-32);
  await run('mkfs.erofs', ['-T0', `-U${dashed(uuid)}`, result, root]);
  return result;
}

/** A layout of our own with one name, since umoci finds images only by name. */
async function writeLayout(image: CheckedImage, layout: string): Promise<void> {
  await fs.mkdir(layout, { mode: 0o700 });
  const { mediaType, digest, size } = image.manifest;
  const annotations = { 'org.opencontainers.image.ref.name': 'image' };
  const manifests = [{ mediaType, digest, size, annotations }];
  await fs.writeFile(path.join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await fs.writeFile(
    path.join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests }),
  );
  await fs.symlink(
    path.join(await fs.realpath(image.layoutPath), 'blobs'),
    path.join(layout, 'blobs'),
  );
}

async function run(program: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, args, {
      timeout: LIMITS.flattenMs,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') {
      throw new CzoneError(
        'FAILED_PRECONDITION',
        `${program} is missing: see ./czone doctor for the packages`,
        { cause: error },
      );
    }
    const last = stderr?.trim().split('\n').at(-1) ?? '';
    const full = /no space left/i.test(stderr ?? '');
    throw new CzoneError(
      full ? 'RESOURCE_EXHAUSTED' : 'INTERNAL',
      `${program} failed while an image was unpacked: ${last}`,
      { cause: error },
    );
  }
}

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
